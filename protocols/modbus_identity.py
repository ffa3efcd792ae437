"""What a Modbus device says it is: functions 17 and 43/14, whose replies tell their own length.

Application Protocol V1.1b3, §6.13 (Report Server ID) and §6.21 (Read Device Identification).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DEVICE_IDENTIFICATION = 14
"""The MEI type of function 43 that reads identification objects."""
BASIC, REGULAR, EXTENDED, INDIVIDUAL = 1, 2, 3, 4
"""Read device ID codes: a stream of objects of a category, or one object."""
OBJECT_NAMES = {
    0: "VendorName",
    1: "ProductCode",
    2: "MajorMinorRevision",
    3: "VendorUrl",
    4: "ProductName",
    5: "ModelName",
    6: "UserApplicationName",
}
"""The standard's names of identification objects (§6.21, table); others are the maker's own."""

_HEAD = 7  # function, MEI type, code, conformity, more follows, next object, number of objects
_OBJECT_HEAD = 2  # id, length
_LONGEST_PDU = 253


@dataclass(frozen=True, slots=True)
class Identification:
    """One reply of function 43/14. ``next_object`` None: there is no more to ask for.

    ``conformity`` is the level the device claims: 1 basic, 2 regular, 3 extended, with 80h added if
    single objects can be asked for too.
    """

    conformity: int
    next_object: int | None
    objects: tuple[tuple[int, bytes], ...]


def identification_length(pdu: Sequence[int]) -> int:
    """Length of the reply PDU of function 43/14 that begins with these bytes; 0 if none can.

    It is the least possible one, and final as soon as it is no longer than what is there.
    """
    size = len(pdu)
    if size > 1 and pdu[1] != DEVICE_IDENTIFICATION:
        return 0
    if size < _HEAD:
        return _HEAD
    end = _HEAD
    for left in range(pdu[6], 0, -1):
        if end + _OBJECT_HEAD > size:
            end += _OBJECT_HEAD * left
            break
        end += _OBJECT_HEAD + pdu[end + 1]
    return end if end <= _LONGEST_PDU else 0


def identification_matches(asked: bytes, pdu: bytes) -> bool:
    """Whether a reply PDU of the right length answers this question PDU of function 43/14.

    It repeats the code, holds an object at least, and begins with the object asked for, or with the
    first one if that does not exist; a single object is the one asked for.
    """
    objects = split_objects(pdu)
    if pdu[2] != asked[2] or not objects:
        return False
    first = objects[0][0]
    if asked[2] == INDIVIDUAL:
        return len(objects) == 1 and first == asked[3]
    return first in (asked[3], 0)


def split_objects(pdu: bytes) -> tuple[tuple[int, bytes], ...]:
    """Object ids and values of a reply PDU of function 43/14 of the right length."""
    found = []
    at = _HEAD
    for _ in range(pdu[6]):
        end = at + _OBJECT_HEAD + pdu[at + 1]
        found.append((pdu[at], pdu[at + _OBJECT_HEAD : end]))
        at = end
    return tuple(found)
