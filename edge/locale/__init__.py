"""Texts for people in English and Chinese: one flat catalogue per language, dotted keys."""

from __future__ import annotations

import os
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["en", "zh"]

# The first one that is set decides; the project's own variable comes before POSIX's three.
_VARIABLES = ("TONGLUO_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


def language() -> Language:
    """The language of this process's environment: Chinese if it names ``zh``, otherwise English."""
    for name in _VARIABLES:
        value = os.environ.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def text(key: str, /, **arguments: object) -> str:
    """The text of a dotted key in the current language, its ``{placeholders}`` filled.

    A key or a placeholder that is missing is a bug and raises KeyError.
    """
    return catalogue(language())[key].format(**arguments)


def places(words: str) -> int:
    """How many columns words take on a terminal; Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in words)


def known(key: str) -> bool:
    """Whether the catalogues have this key."""
    return key in catalogue("en")


@cache
def catalogue(which: Language) -> Mapping[str, str]:
    """All texts of one language by dotted key; read once."""
    source = files("edge.locale").joinpath(f"{which}.toml").read_text(encoding="utf-8")
    return {
        f"{section}.{key}": entry
        for section, entries in tomllib.loads(source).items()
        for key, entry in entries.items()
    }
