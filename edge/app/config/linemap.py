"""Where every key of a TOML text stands: key path -> line. For texts that tomllib accepts."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

KeyPath = tuple[str | int, ...]
"""Keys and list positions (from 0) from the top of the document: ``("rule", 2, "red")``."""

_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# One or two quotes before the closing three belong to the text (TOML 1.0, string).
_BASIC_LONG = re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"""(?:"{0,2})', re.DOTALL)
_LITERAL_LONG = re.compile(r"'''(?:[^']|'{1,2}(?!'))*'''(?:'{0,2})", re.DOTALL)
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
# a backslash at the end of a line takes all white space after it away
_FOLD = re.compile(r"\\[ \t]*\n[ \t\n]*")


class LineMap:
    """Lines, counted from 1, of the keys and list elements of one document.

    ``values``: where in the document's ``text`` each value begins.
    """

    def __init__(
        self,
        lines: dict[KeyPath, int] | None = None,
        text: str = "",
        values: dict[KeyPath, int] | None = None,
    ) -> None:
        self._lines = lines or {}
        self._text = text
        self._values = values or {}

    def line(self, path: KeyPath) -> int:
        """The line of this key; if it is not there, that of the nearest table around it, or 1."""
        for length in range(len(path), 0, -1):
            found = self._lines.get(path[:length])
            if found is not None:
                return found
        return 1

    def place(self, path: KeyPath, offset: int) -> tuple[int, int] | None:
        """Line and column, from 1, of a character of the string that is the value of this key.

        None if there is no such string. The character after the last one is the closing quote.
        """
        begin = self._values.get(path)
        if begin is None or self._text[begin] not in "\"'":
            return None
        at = _character(self._text, begin, offset)
        return self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at)

    def paths(self) -> frozenset[KeyPath]:
        """Every key path of the document."""
        return frozenset(self._lines)


def scan(text: str) -> LineMap:
    """Map a text that tomllib has accepted. Raises RecursionError if values nest too deeply."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    lines = scanner.run()
    return LineMap(lines, scanner.text, scanner.values)


def _character(text: str, begin: int, offset: int) -> int:
    """Where a character of a string stands, given where its opening quotes begin."""
    quote, at = text[begin], begin + 1
    long = text.startswith(quote * 3, begin)
    if long:
        at = begin + 3 + (text[begin + 3] == "\n")
    while True:
        if quote == '"' and (folded := _FOLD.match(text, at)) is not None and long:
            at = folded.end()
        elif offset <= 0:
            return at
        else:
            escape = _ESCAPE.match(text, at) if quote == '"' else None
            at = escape.end() if escape is not None else at + 1
            offset -= 1


class _Scanner:
    """One pass over the text; ``_at`` is the position of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.values: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._lines: dict[KeyPath, int] = {}
        self._last: dict[KeyPath, int] = {}  # list of tables -> position of its newest element
        self._line_ends = [match.start() for match in re.finditer("\n", text)]

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_VOID)
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._list_header()
            elif self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_VOID)
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"no TOML at position {self._at}")
        self._at = match.end()
        return match[0]

    def _line(self) -> int:
        return bisect_right(self._line_ends, self._at - 1) + 1

    def _header(self) -> KeyPath:
        line = self._line()
        self._at += 1
        table = self._enter(self._key(), line)
        self._at += 1
        # a table may be opened implicitly before its own header, which is what people look for
        self._lines[table] = line
        return table

    def _list_header(self) -> KeyPath:
        line = self._line()
        self._at += 2
        *parents, name = self._key()
        self._at += 2
        table = (*self._enter(parents, line), name)
        index = self._last.get(table, -1) + 1
        self._last[table] = index
        self._lines.setdefault(table, line)
        self._lines[(*table, index)] = line
        return (*table, index)

    def _enter(self, keys: list[str], line: int) -> KeyPath:
        """The table these header keys lead to; lists of tables stand for their newest element."""
        path: KeyPath = ()
        for key in keys:
            path = (*path, key)
            self._lines.setdefault(path, line)
            if path in self._last:
                path = (*path, self._last[path])
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for key in self._key():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._at += 1  # =
        self._skip(_BLANK)
        self._value(path)

    def _key(self) -> list[str]:
        """A key with its dotted parts; stops at what follows it."""
        parts = []
        while True:
            self._skip(_BLANK)
            parts.append(self._simple_key())
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _simple_key(self) -> str:
        mark = self._text[self._at]
        if mark == "'":
            return self._skip(_LITERAL)[1:-1]
        if mark != '"':
            return self._skip(_BARE_KEY)
        written = self._skip(_BASIC)
        # the escapes are tomllib's business
        return str(tomllib.loads(f"key = {written}")["key"]) if "\\" in written else written[1:-1]

    def _value(self, path: KeyPath) -> None:
        text, at = self._text, self._at
        self.values[path] = at
        if text.startswith('"""', at):
            self._skip(_BASIC_LONG)
        elif text.startswith("'''", at):
            self._skip(_LITERAL_LONG)
        elif text[at] == '"':
            self._skip(_BASIC)
        elif text[at] == "'":
            self._skip(_LITERAL)
        elif text[at] == "[":
            self._list(path)
        elif text[at] == "{":
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _list(self, path: KeyPath) -> None:
        self._at += 1
        self._skip(_VOID)
        index = 0
        while self._text[self._at] != "]":
            self._lines[(*path, index)] = self._line()
            self._value((*path, index))
            index += 1
            self._skip_comma(_VOID)
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        # newer TOML allows line breaks in here; accepting them costs nothing
        self._at += 1
        self._skip(_VOID)
        while self._text[self._at] != "}":
            self._pair(path)
            self._skip_comma(_VOID)
        self._at += 1

    def _skip_comma(self, space: re.Pattern[str]) -> None:
        self._skip(space)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(space)
