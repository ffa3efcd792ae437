"""The site files that come with the program, for the kinds of sites it is made for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from edge.app.config.marks import MARK
from edge.app.config.problems import suggest
from edge.core.errors import ConfigError
from edge.locale import language, text


def shipped_templates() -> dict[str, Path]:
    """The files by name, in order."""
    folder = Path(str(files("edge"))) / "app" / "templates"
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def read_template(name: str) -> str:
    """A template's text. Raises ConfigError with the names there are."""
    known = shipped_templates()
    if name not in known:
        near = suggest(name, known)
        raise ConfigError(
            text("template.no-template", found=name, allowed=", ".join(known)), hint=near
        )
    return known[name].read_text(encoding="utf-8")


def summaries() -> Iterator[tuple[str, str]]:
    """Name and purpose of every template, in the current language: its first two lines."""
    for name, file in shipped_templates().items():
        english, chinese, *_ = file.read_text(encoding="utf-8").splitlines()
        yield name, (chinese if language() == "zh" else english).removeprefix("# ")


def fill_in(content: str, values: Mapping[str, str]) -> str:
    """Put values into ``[site]``; what is put in needs no mark any more."""
    for key, value in values.items():
        written = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        mark = f'^{key} = ".*" {re.escape(MARK)}.*$'
        escaped = written.replace("\\", r"\\")
        content = re.sub(mark, escaped, content, count=1, flags=re.MULTILINE)
    return content
