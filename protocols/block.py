"""The telemetry block: many readings of one site in few bytes, exact to the last bit.

A block is deterministic CBOR, ``[profile id, payload version, payload]``. Payload 1 is columnar:
per device one time axis, per column scaled integers as differences, all of it as varints through
zstd. docs/block.md is the specification, byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import zstandard

from protocols import cbor, columnar
from protocols.columnar import MAX_QUALITY as MAX_QUALITY
from protocols.columnar import MAX_READINGS as MAX_READINGS
from protocols.malformed import Malformed as Malformed
from protocols.telemetry import Column as Column
from protocols.telemetry import Profile as Profile
from protocols.telemetry import Reading as Reading
from protocols.telemetry import decode_birth as decode_birth
from protocols.telemetry import encode_birth as encode_birth

PAYLOAD_VERSION = 1
MAX_BODY_BYTES = 8 << 20
"""Largest payload body before compression."""
MAX_BLOCK_BYTES = MAX_BODY_BYTES + 32

_PLAIN = 0x00
# The other first bytes of a payload: zstd frame header descriptors (RFC 8878, 3.1.1.1.1) with a
# single segment, no checksum, no dictionary; the content size follows in this many bytes, and in
# two bytes it is less by 256.
_SIZE_FIELDS = {0x20: (1, 0), 0x60: (2, 256), 0xA0: (4, 0)}
_COMPRESSION = zstandard.ZstdCompressionParameters(
    compression_level=19,
    format=zstandard.FORMAT_ZSTD1_MAGICLESS,
    write_content_size=True,
    write_checksum=False,
    write_dict_id=False,
)


class UnknownProfile(Malformed):
    """The block belongs to a profile whose birth the reader has not seen."""

    def __init__(self, profile_id: bytes) -> None:
        super().__init__(f"block of profile {profile_id.hex()}", "profiles whose birth is known")
        self.profile_id = profile_id


def encode_block(profile: Profile, readings: Sequence[Reading]) -> bytes:
    """The readings as one block, in any order, at most MAX_READINGS.

    Values and qualities are exact; times are rounded down to the tick of the column's group. The
    same readings give the same bytes with the same zstd library. Raises ValueError for NaN, for a
    column, time or quality out of range, and for a body of more than MAX_BODY_BYTES.
    """
    body = columnar.write(profile, readings)
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"block body of {len(body)} bytes, allowed: {MAX_BODY_BYTES}")
    return cbor.encode([profile.id, PAYLOAD_VERSION, _pack(body)])


def decode_block(data: bytes, profiles: Mapping[bytes, Profile]) -> tuple[Reading, ...]:
    """All readings of a block, by group, time and column; those of one column and tick in order.

    ``profiles`` by their ids. Raises UnknownProfile if the block's is not among them, Malformed
    for anything else that is wrong, and nothing else; a part of a block is never returned.
    """
    profile_id, payload = _open(data)
    profile = profiles.get(profile_id)
    if profile is None:
        raise UnknownProfile(profile_id)
    return tuple(columnar.read(profile, _unpack(payload)))


def profile_of(data: bytes) -> bytes:
    """The id of the profile that a block needs. Raises Malformed if it is no block."""
    return _open(data)[0]


def _open(data: bytes) -> tuple[bytes, bytes]:
    """A block's profile id and payload."""
    match cbor.decode(data, max_bytes=MAX_BLOCK_BYTES):
        case [bytes(profile_id), int(version), bytes(payload)] if len(profile_id) == 8:
            pass
        case _:
            raise Malformed("CBOR of another shape", "[8-byte profile id, version, payload]")
    if version != PAYLOAD_VERSION or version is True:
        raise Malformed(f"payload version {version}", str(PAYLOAD_VERSION))
    return profile_id, payload


def _pack(body: bytes) -> bytes:
    frame = zstandard.ZstdCompressor(compression_params=_COMPRESSION).compress(body)
    return frame if len(frame) <= len(body) else bytes((_PLAIN,)) + body


def _unpack(payload: bytes) -> bytes:
    if not payload or payload[0] not in (_PLAIN, *_SIZE_FIELDS):
        raise Malformed(f"payload begins with {payload[:1].hex() or 'nothing'}", "00, 20, 60, a0")
    if payload[0] == _PLAIN:
        _check_size(len(payload) - 1)
        return payload[1:]
    width, offset = _SIZE_FIELDS[payload[0]]
    # Before decompressing: the library allocates what the frame announces, whatever it is.
    _check_size(int.from_bytes(payload[1 : 1 + width], "little") + offset)
    decompressor = zstandard.ZstdDecompressor(
        format=zstandard.FORMAT_ZSTD1_MAGICLESS, max_window_size=MAX_BODY_BYTES
    )
    try:
        return decompressor.decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Malformed(f"payload: {error}", "one whole zstd frame") from None


def _check_size(body_bytes: int) -> None:
    if body_bytes > MAX_BODY_BYTES:
        raise Malformed(f"block body of {body_bytes} bytes", f"at most {MAX_BODY_BYTES}")
