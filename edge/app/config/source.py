"""Reading one TOML file: bytes, document and line map; what is wrong is noted, never raised."""

from __future__ import annotations

import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path

from edge.app.config.linemap import LineMap, scan
from edge.app.config.problems import Findings, plain
from edge.locale import text

MAX_BYTES = 1 << 20
"""A larger file is no configuration; it is refused before it is read."""

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_POSITION = re.compile(r" \(at line (\d+), column \d+\)$")
_END = " (at end of document)"


@dataclass(frozen=True, slots=True)
class Source:
    """A file as read. ``document`` is None if it is no TOML or unreadable; ``findings`` say why."""

    content: bytes
    document: dict[str, object] | None
    findings: Findings


def read_source(path: Path) -> Source:
    """Read a file completely or explain why not; only regular files of at most MAX_BYTES."""
    findings = Findings(show_file(path))
    content = _read_bytes(path, findings)
    if content is None:
        return Source(b"", None, findings)
    decoded = _decode(content, findings)
    if decoded is None:
        return Source(content, None, findings)
    document, lines = _parse(decoded, findings)
    findings.lines = lines
    return Source(content, document, findings)


def show_file(path: Path) -> str:
    """A path for people; bytes that are no text are shown escaped."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _read_bytes(path: Path, findings: Findings) -> bytes | None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            findings.add((), "file-directory")
        elif not stat.S_ISREG(status.st_mode):
            # opening a pipe or a device could wait for ever
            findings.add((), "file-special")
        elif status.st_size > MAX_BYTES:
            _refuse_size(findings)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            if len(content) <= MAX_BYTES:
                return content
            _refuse_size(findings)
    except FileNotFoundError:
        findings.add((), "file-absent", hint=text("hint.file-absent"))
    except PermissionError:
        findings.add((), "file-denied", hint=text("hint.file-denied"))
    except (OSError, ValueError) as error:
        # ValueError: a path with a NUL character
        reason = error.strerror if isinstance(error, OSError) else str(error)
        findings.add((), "file-unreadable", reason=reason or str(error))
    return None


def _refuse_size(findings: Findings) -> None:
    findings.add((), "file-too-large", allowed=f"{MAX_BYTES >> 10} KiB")


def _decode(content: bytes, findings: Findings) -> str | None:
    if content.startswith(_BOM):
        findings.add((), "file-bom", hint=text("hint.file-bom"))
        content = content[len(_BOM) :]
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = text("hint.utf-16" if content.startswith(_UTF_16) else "hint.encoding")
        found = f"0x{content[error.start]:02X}"
        findings.add_at(line, "file-encoding", found=found, allowed="UTF-8", hint=hint)
        return None


def _parse(decoded: str, findings: Findings) -> tuple[dict[str, object] | None, LineMap]:
    try:
        return tomllib.loads(decoded), scan(decoded)
    except RecursionError:
        findings.add((), "syntax-nesting")
    except ValueError as error:
        # TOMLDecodeError is a ValueError, and an integer of thousands of digits is a bare one
        words = str(error)
        position = _POSITION.search(words)
        line = int(position[1]) if position else 1
        if words.endswith(_END):
            line = decoded.rstrip("\n").count("\n") + 1
        reason = plain(_POSITION.sub("", words).removesuffix(_END))
        findings.add_at(line, "syntax", found=reason, hint=text("hint.syntax"))
    return None, LineMap()
