"""What is wrong with a recorded file: where, found what, and what to do."""

from __future__ import annotations

from pathlib import Path

from edge.app.config.problems import escape, plain
from edge.app.config.source import show_file
from edge.core.errors import ConfigError
from edge.locale import known, text


def wrong(path: Path, line: int | None, code: str, /, **words: object) -> ConfigError:
    """The error ``history.<code>`` at a line of a file; its hint is ``history.<code>-hint``."""
    where = show_file(path) if line is None else f"{show_file(path)}:{line}"
    shown = {key: plain(each) if isinstance(each, str) else each for key, each in words.items()}
    hint = f"history.{code}-hint"
    return ConfigError(
        escape(f"{where}: {text(f'history.{code}', **shown)}"),
        hint=text(hint, **shown) if known(hint) else "",
    )


def unreadable(path: Path, error: OSError) -> ConfigError:
    """A file that the system does not give."""
    return ConfigError(f"{show_file(path)}: {error.strerror or error}")
