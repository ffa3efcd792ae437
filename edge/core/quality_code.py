"""Small integers for qualities inside telemetry blocks.

The index in CODES is the code on the wire.
"""

from __future__ import annotations

from edge.core.model import Quality

CODES: tuple[Quality, ...] = (
    Quality.GOOD,
    Quality.OUT_OF_RANGE,
    Quality.ERROR_WORD,
    Quality.NO_ANSWER,
    Quality.GARBLED,
    Quality.REFUSED,
    Quality.ABSENT,
    Quality.STALE,
    Quality.LOST,
    Quality.FAULT_CURRENT,
    Quality.UNCERTAIN,
    Quality.JUMP,
    Quality.STUCK,
    Quality.DRIFT,
    Quality.MAINTENANCE,
)

CODE_OF: dict[Quality, int] = {quality: code for code, quality in enumerate(CODES)}
