"""What is wrong with a file that a person wrote: where, found what, allowed what, do what."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice

from edge.app.config.linemap import KeyPath, LineMap
from edge.core.errors import ConfigError
from edge.locale import places, text

_SHOWN_CHARS = 60
# Of a long line, so much is shown before and after what is marked.
_BEFORE_CHARS = 70
_AFTER_CHARS = 30
_LISTED_CHOICES = 12
# Comparing words is slow; whoever has more names than this gets no hint for the last ones.
_COMPARED_CHOICES = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``path`` counts list elements from 0; texts are in the current language.

    ``column``, from 1, if it is at a certain character; ``excerpt`` then is the text around it,
    and ``caret`` what to print below.
    """

    file: str
    line: int
    path: str
    code: str
    message: str
    found: str = ""
    allowed: str = ""
    hint: str = ""
    column: int | None = None
    excerpt: str = ""
    caret: str = ""

    def json(self) -> dict[str, object]:
        """The fields as they go into ``check --json``."""
        fields = asdict(self)
        del fields["excerpt"], fields["caret"]
        return fields

    @property
    def place(self) -> str:
        """``file:line``, or ``file:line:column``."""
        column = f":{self.column}" if self.column is not None else ""
        return f"{self.file}:{self.line}{column}"

    def __str__(self) -> str:
        where = f"{self.place}: "
        return f"{where}{self.path}: {self.message}" if self.path else where + self.message


class SiteProblems(ConfigError):
    """A site file, or a profile it uses, is wrong. ``problems`` holds all, by file and line."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a text that is the value of a key: from one character, from 0, up to another."""

    text: str
    at: int
    end: int

    def drawn(self) -> tuple[str, str]:
        """The line of the text around it, and a line with carets to print below."""
        at = min(self.at, len(self.text))
        begin = self.text.rfind("\n", 0, at) + 1
        line = self.text[begin:].partition("\n")[0]
        at -= begin
        end = max(at + 1, min(self.end - begin, len(line)))
        left, right = max(0, at - _BEFORE_CHARS), end + _AFTER_CHARS
        before = ("…" if left else "") + escape(line[left:at])
        marked = escape(line[at:end])
        after = escape(line[end:right]) + ("…" if right < len(line) else "")
        return before + marked + after, " " * places(before) + "^" * max(1, places(marked))


class Findings:
    """Collects the problems of one file."""

    def __init__(self, file: str, lines: LineMap | None = None) -> None:
        self.file = file
        self.lines = lines or LineMap()
        self.problems: list[Problem] = []

    def add(
        self,
        path: KeyPath,
        code: str,
        *,
        found: str = "",
        allowed: str = "",
        hint: str = "",
        **arguments: object,
    ) -> None:
        """Note a problem at a key; ``arguments`` fill the text ``problem.<code>``."""
        words = {"found": found, "allowed": allowed, **arguments}
        self._note(path, code, None, words, hint)

    def add_mark(
        self,
        path: KeyPath,
        code: str,
        mark: Mark,
        words: Mapping[str, object],
        *,
        hint: str = "",
    ) -> None:
        """Note a problem at a part of a key's text; ``words`` fill ``problem.<code>``."""
        self._note(path, code, mark, words, hint)

    def _note(
        self, path: KeyPath, code: str, mark: Mark | None, words: Mapping[str, object], hint: str
    ) -> None:
        key = next((str(part) for part in reversed(path) if isinstance(part, str)), "")
        line, column = self.lines.line(path), None
        if mark is not None:
            line, column = self.lines.place(path, mark.at) or (line, None)
        excerpt, caret = mark.drawn() if mark is not None else ("", "")
        self.problems.append(
            Problem(
                file=self.file,
                line=line,
                path=show_path(path),
                code=code,
                message=escape(text(f"problem.{code}", **{"key": plain(key), **words})),
                found=escape(str(words["found"])),
                allowed=escape(str(words["allowed"])),
                hint=escape(hint),
                column=column,
                excerpt=excerpt,
                caret=caret,
            )
        )

    def narrow(self, path: KeyPath, code: str, *, allowed: str, hint: str) -> None:
        """Say more exactly what is allowed, where a problem was noted before that was known."""
        where = show_path(path)
        for index, problem in enumerate(self.problems):
            if problem.path == where and problem.code == code:
                message = escape(text(f"problem.{code}", found=problem.found, allowed=allowed))
                self.problems[index] = replace(
                    problem, allowed=allowed, hint=problem.hint or hint, message=message
                )

    def add_at(
        self, line: int, code: str, *, found: str = "", allowed: str = "", hint: str = ""
    ) -> None:
        """Note a problem of the text itself, at a line."""
        message = text(f"problem.{code}", found=found, allowed=allowed)
        self.problems.append(
            Problem(self.file, line, "", code, message, found=found, allowed=allowed, hint=hint)
        )


def show(value: object) -> str:
    """A value as it is written in TOML, on one line, shortened, without control characters."""
    if isinstance(value, bool):
        shown = "true" if value else "false"
    elif isinstance(value, str):
        shown = f'"{value}"'
    elif isinstance(value, Mapping):
        shown = text("type.some-table")
    elif isinstance(value, list | tuple):
        shown = "[" + ", ".join(_show_element(each) for each in value[:4])
        shown += ", …]" if len(value) > 4 else "]"
    elif isinstance(value, int):
        shown = hex(value) if value.bit_length() > 256 else str(value)
    else:
        shown = str(value)
    return plain(shown)


def _show_element(value: object) -> str:
    return "[…]" if isinstance(value, list | tuple) else show(value)


def plain(words: str) -> str:
    """Words that can be printed on any terminal: control characters escaped, overlong ones cut."""
    if len(words) > _SHOWN_CHARS:
        words = words[: _SHOWN_CHARS - 1] + "…"
    return escape(words)


def escape(words: str) -> str:
    """Words with control characters spelled out, so that a file cannot write on a terminal."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in words
    )


def show_path(path: KeyPath) -> str:
    """``rule[2].red``; list elements count from 0, keys with unusual characters are quoted."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            name = part if part.replace("-", "_").isidentifier() or part.isdigit() else show(part)
            shown += f".{name}" if shown else name
    return shown


def listed(choices: Iterable[object]) -> str:
    """Choices for people, in order; a long list is cut."""
    shown = [str(choice) for choice in islice(choices, _LISTED_CHOICES + 1)]
    if len(shown) > _LISTED_CHOICES:
        shown = [*shown[:_LISTED_CHOICES], "…"]
    return ", ".join(shown)


def suggest(found: str, choices: Iterable[str]) -> str:
    """A hint that names the choice somebody most likely meant, or nothing."""
    by_fold = {choice.casefold(): choice for choice in islice(choices, _COMPARED_CHOICES)}
    near = difflib.get_close_matches(found.casefold(), by_fold, n=1, cutoff=0.6)
    return text("hint.did-you-mean", word=by_fold[near[0]]) if near else ""
