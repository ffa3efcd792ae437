"""Words that do not belong into any file: paths of one machine, addresses of package registries."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.checks.module import Finding

# Spelled in parts, so that this file does not find itself.
_REGISTRIES = ("pypi" + r"\.org", "python" + r"hosted\.org", "index" + "-url", "find" + "-links")
_FORBIDDEN = (
    (re.compile(r"(?<![\w.$}~/-])/(?:work|root|home/\w+)(?:/|\b)"), "path of one machine"),
    (re.compile("|".join(_REGISTRIES)), "package registry"),
    (re.compile(r"https?://\S+(?:\.whl|\.tgz|/" + "simple/|/" + "debian/)"), "package registry"),
)


def words(path: str, text: str) -> Iterator[Finding]:
    """What does not belong into this text, line by line."""
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, what in _FORBIDDEN:
            if match := pattern.search(line):
                yield Finding(path, number, f"{what}: {match.group().strip()}")
