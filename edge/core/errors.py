"""The error tree: one class per remedy.

    TongluoError
    +-- ConfigError       the technician: change the file
    +-- DeviceError       the device or its cable
    |   +-- NoAnswer      nothing usable came by the deadline; the outcome of a write is unknown
    |   +-- Garbled       bytes came, but none that answer the question
    |   +-- Refused       the device understood and declined (Modbus exception)
    |   +-- Absent        the line itself is not there (unplugged, connection refused)
    +-- LinkError         the uplink: wait, or look at the broker
    |   +-- LinkDown      not connected
    |   +-- LinkRefused   the peer declined this message (MQTT reason code)
    +-- StoreError        the journal: look at the disk
    +-- AgentError        the running agent could not be asked, or said no

Bugs are not in the tree, and nothing catches them.
"""

from __future__ import annotations


class TongluoError(Exception):
    """Base of all expected errors. ``hint`` says what to do; only the command line prints it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(TongluoError):
    """A file that a person wrote is wrong."""


class DeviceError(TongluoError):
    """A device did not do what it was asked. ``device`` names the bus and the address."""

    status = "error"


class NoAnswer(DeviceError):
    """No usable answer by the deadline. After a write the device may or may not have acted."""

    status = "no answer"


class Garbled(DeviceError):
    """Bytes arrived, but none that answer this question. ``seen`` tells what they were."""

    status = "garbled"

    def __init__(self, message: str, *, seen: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.seen = seen


class Refused(DeviceError):
    """The device answered with a Modbus exception; ``code`` is the exception code."""

    status = "refused"

    def __init__(self, message: str, *, code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class Absent(DeviceError):
    """The line or the connection is not there."""

    status = "absent"


class LinkError(TongluoError):
    """The uplink did not take a message."""


class LinkDown(LinkError):
    """There is no connection."""


class LinkRefused(LinkError):
    """The peer declined the message; ``code`` is its reason code."""

    def __init__(self, message: str, *, code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class StoreError(TongluoError):
    """The journal could not be read or written."""


class AgentError(TongluoError):
    """The running agent could not be reached, or declined a request."""
