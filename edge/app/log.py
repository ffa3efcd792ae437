"""Logging set-up: key=value lines on stderr, quiet on the hot path."""

from __future__ import annotations

import logging
import sys


def set_up(process: str, *, verbose: bool = False) -> None:
    """Log to stderr; INFO and below only if ``verbose``.

    The alarm path logs nothing at WARNING when all is well.
    """
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(
        logging.Formatter(f"%(asctime)s process={process} level=%(levelname)s %(name)s %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [stream]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
