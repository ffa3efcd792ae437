"""What a UART hears of bytes that were sent at other settings than its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tools.twins.line_time import LineTime

# Time is counted in ticks that divide every usual bit time, four to a bit at 115200 Bd.
_TICKS_PER_S = 460_800


def hear(data: bytes, sender: LineTime, receiver: LineTime) -> bytes:
    """The characters a receiver takes from bytes sent back to back between two silences.

    It waits for a falling edge, samples each bit in its middle, and drops a character whose parity
    or first stop bit is wrong, as most devices do.
    """
    if (sender.baud, sender.frame) == (receiver.baud, receiver.frame):
        return data
    if sender.baud is None or receiver.baud is None:
        raise ValueError("a line without line time has no settings to be wrong")
    edges = _levels(data, sender, _TICKS_PER_S // sender.baud)
    return bytes(_characters(edges, receiver, _TICKS_PER_S / receiver.baud))


def _levels(data: bytes, frame: LineTime, bit_ticks: int) -> list[int]:
    """The line's level tick by tick while the bytes are on it."""
    data_bits, parity, stop_bits = int(frame.frame[0]), frame.frame[1], int(frame.frame[2])
    bits: list[int] = []
    for byte in data:
        value = [byte >> index & 1 for index in range(data_bits)]
        bits += [0, *value, *_parity_bit(value, parity), *([1] * stop_bits)]
    return [bit for bit in bits for _ in range(bit_ticks)]


def _parity_bit(value: list[int], parity: str) -> list[int]:
    return [] if parity == "N" else [sum(value) % 2 ^ (parity == "O")]


def _characters(levels: list[int], frame: LineTime, bit_ticks: float) -> Iterator[int]:
    data_bits, parity = int(frame.frame[0]), frame.frame[1]

    def sample(start: int, bit: int) -> int:
        at = start + int((bit + 0.5) * bit_ticks)
        return levels[at] if at < len(levels) else 1

    checked = data_bits + (parity != "N")
    at = 0
    while at < len(levels):
        if levels[at]:
            at += 1
            continue
        value = [sample(at, bit + 1) for bit in range(data_bits)]
        parity_right = [sample(at, data_bits + 1)] == _parity_bit(value, parity) or parity == "N"
        stopped = sample(at, checked + 1) == 1
        if sample(at, 0) == 0 and parity_right and stopped:
            yield sum(bit << index for index, bit in enumerate(value))
        # the next falling edge after this character's stop bit began
        at += int((checked + 1.5) * bit_ticks)
        while at < len(levels) and not stopped and not levels[at]:
            at += 1
