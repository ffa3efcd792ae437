"""`python -m tools.checks [path...]`: prints what breaks a rule, one per line; exits 1 if any."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tools.checks.module import PYTHON_FOLDERS, Finding, Module
from tools.checks.rules import RULES
from tools.checks.words import words

ROOT = Path(__file__).parents[2]
# Folders that are made here and not kept, or are somebody else's.
_SKIPPED = {".git", ".cache", "build", "dist", "results", "var", "__pycache__", "node_modules"}
_DOTTED = {".ci", ".github", ".gitignore"}
# MicroPython has its own subset and its own checks.
_FIRMWARE = ROOT / "drivers/field_node/firmware"
_MAX_TEXT_BYTES = 1_000_000


def files(start: Path) -> Iterator[Path]:
    """Every file of the project at or below a path, in a stable order."""
    if start.is_file():
        yield start
        return
    for path in sorted(start.iterdir()):
        hidden = path.name.startswith(".") and path.name not in _DOTTED
        if hidden or path.name in _SKIPPED or path.name.endswith(".egg-info") or path.is_symlink():
            continue
        yield from files(path)


def check(path: Path, root: Path = ROOT) -> list[Finding]:
    """All findings in one file, in line order. Files that are not text have none."""
    name = path.resolve().relative_to(root).as_posix()
    if path.name == "uv.lock" or path.stat().st_size > _MAX_TEXT_BYTES:
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    found = list(words(name, text))
    python = path.suffix == ".py" and name.split("/")[0] in PYTHON_FOLDERS
    if python and not path.is_relative_to(_FIRMWARE):
        module = Module(name, text)
        try:
            found += [finding for rule in RULES for finding in rule(module)]
        except SyntaxError as error:
            found.append(Finding(name, error.lineno or 1, f"not Python: {error.msg}"))
    return sorted(found, key=lambda finding: finding.line)


def main(arguments: list[str]) -> int:
    """Check the given paths, or the whole checkout. Returns the exit status."""
    starts = [Path(argument).resolve() for argument in arguments] or [ROOT]
    checked = [path for start in starts for path in files(start)]
    found = [finding for path in checked for finding in check(path)]
    for finding in found:
        print(finding)
    print(f"{len(checked)} files checked, {len(found)} findings", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
