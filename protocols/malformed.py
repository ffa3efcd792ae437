"""The one exception that decoding may raise."""

from __future__ import annotations

_LONGEST_TEXT = 240


class Malformed(ValueError):
    """Received bytes are not what they claim to be.

    The text says what was found and what is allowed. It is printable and at most 240 characters
    long, whatever the bytes were.
    """

    def __init__(self, found: str, allowed: str = "") -> None:
        text = f"{found}; allowed: {allowed}" if allowed else found
        shown = text if text.isprintable() else repr(text)[1:-1]
        super().__init__(shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + "…")
