"""RS-485 direction by the UART's driver: RTS is raised to send and lowered to listen.

Linux: Documentation/driver-api/serial/serial-rs485.rst; struct serial_rs485 of linux/serial.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass

_TIOCGRS485 = 0x542E
_TIOCSRS485 = 0x542F
_ENABLED = 1 << 0
_RTS_ON_SEND = 1 << 1
_RTS_AFTER_SEND = 1 << 2
_RECEIVE_WHILE_SENDING = 1 << 4
# flags, delay before and after sending (ms), padding
_SETTINGS = struct.Struct("=III20s")
_NOT_OFFERED = (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class Rs485:
    """How the driver switches the line: the level of RTS while sending, and delays around it."""

    rts_on_send: bool = True
    delay_before_ms: int = 0
    delay_after_ms: int = 0


def rts_while_listening(wanted: Rs485) -> bool:
    """The level of RTS that keeps the line free."""
    return not wanted.rts_on_send


def set_direction(fd: int, port: str, wanted: Rs485) -> None:
    """Have the driver switch the line from now on, and read back that it does.

    Raises OSError that says what the driver does not offer.
    """
    try:
        flags, _, _, rest = _SETTINGS.unpack(_ask(fd, _TIOCGRS485, bytes(_SETTINGS.size)))
        flags &= ~(_RTS_ON_SEND | _RTS_AFTER_SEND | _RECEIVE_WHILE_SENDING)
        flags |= _ENABLED | (_RTS_ON_SEND if wanted.rts_on_send else _RTS_AFTER_SEND)
        settings = flags, wanted.delay_before_ms, wanted.delay_after_ms, rest
        _ask(fd, _TIOCSRS485, _SETTINGS.pack(*settings))
        taken = _SETTINGS.unpack(_ask(fd, _TIOCGRS485, bytes(_SETTINGS.size)))
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            reason = "its driver does not control the RS-485 direction"
            raise OSError(f"{port}: {reason} ({os.strerror(error.errno)})") from error
        raise OSError(f"{port}: {error.strerror}") from error
    # the driver quietly changes what it cannot do
    if _told(*taken[:3]) != _told(*settings[:3]):
        raise OSError(
            f"{port}: its driver set RS-485 to {_told(*taken[:3])}, wanted {_told(*settings[:3])}"
        )


def offers_direction(port: str) -> bool | None:
    """Whether the driver of a free port could: it is told again what it is set to already.

    None if the port cannot be opened.
    """
    try:
        fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        # reading alone says nothing: every UART driver answers that
        _ask(fd, _TIOCSRS485, _ask(fd, _TIOCGRS485, bytes(_SETTINGS.size)))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _ask(fd: int, what: int, settings: bytes) -> bytes:
    return fcntl.ioctl(fd, what, settings)


def _told(flags: int, before_ms: int, after_ms: int) -> str:
    if not flags & _ENABLED:
        return "off"
    levels = f"RTS {int(bool(flags & _RTS_ON_SEND))} on send"
    levels += f", {int(bool(flags & _RTS_AFTER_SEND))} after"
    return f"{levels}, {before_ms} ms before, {after_ms} ms after"
