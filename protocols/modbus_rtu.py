"""Modbus on a serial line: the RTU frame, its timing, and the search for an answer.

Modbus over Serial Line Specification and Implementation Guide V1.02, §2.5.1. A frame is
unit, PDU, CRC (low byte first).
"""

from __future__ import annotations

from itertools import chain, repeat

from protocols.crc import crc16_modbus
from protocols.modbus import (
    ENCAPSULATED_INTERFACE,
    EXCEPTION_FLAG,
    MASK_WRITE_REGISTER,
    READ_COILS,
    READ_DISCRETE_INPUTS,
    READ_HOLDING_REGISTERS,
    READ_INPUT_REGISTERS,
    READ_WRITE_REGISTERS,
    REPORT_SERVER_ID,
    WRITE_MULTIPLE_COILS,
    WRITE_MULTIPLE_REGISTERS,
    WRITE_SINGLE_COIL,
    WRITE_SINGLE_REGISTER,
    Answer,
    Declined,
    Request,
    Seen,
    judge,
)
from protocols.modbus_identity import identification_length

_OVERHEAD = 3  # unit and CRC
_EXCEPTION_LENGTH = 5
_COUNTED = -1  # the byte behind the function code announces the length
_DESCRIBED = -2  # a list of objects, each with its length
_REPLY_LENGTH = {
    READ_COILS: _COUNTED,
    READ_DISCRETE_INPUTS: _COUNTED,
    READ_HOLDING_REGISTERS: _COUNTED,
    READ_INPUT_REGISTERS: _COUNTED,
    READ_WRITE_REGISTERS: _COUNTED,
    REPORT_SERVER_ID: _COUNTED,
    ENCAPSULATED_INTERFACE: _DESCRIBED,
    WRITE_SINGLE_COIL: 8,
    WRITE_SINGLE_REGISTER: 8,
    WRITE_MULTIPLE_COILS: 8,
    WRITE_MULTIPLE_REGISTERS: 8,
    MASK_WRITE_REGISTER: 10,
}
_REPLY_LENGTH |= {function | EXCEPTION_FLAG: _EXCEPTION_LENGTH for function in _REPLY_LENGTH}

_BUFFER_LIMIT = 520
_BUFFER_KEPT = 260  # the longest span a byte count can announce: 3 + 255 + 2
_PIECE = _BUFFER_LIMIT - _BUFFER_KEPT

_FASTEST_TIMED_BAUD = 19_200
_FIXED_SILENCE_S = 0.00175

_WEIGHT = {seen: weight for weight, seen in enumerate(Seen)}


def rtu_frame(request: Request) -> bytes:
    """The bytes to send."""
    body = bytes((request.unit,)) + request.pdu
    return body + crc16_modbus(body).to_bytes(2, "little")


def rtu_reply_bytes(request: Request) -> int:
    """Length of the normal reply on the line, in bytes, at most; 0 for a broadcast."""
    return 0 if request.broadcast else request.reply_length + _OVERHEAD


def character_s(baud: int, data_bits: int = 8, parity: bool = False, stop_bits: float = 1) -> float:
    """Time of one character on the line in seconds: start bit, data, parity, stop."""
    if baud <= 0:
        raise ValueError(f"baud: found {baud}, allowed above 0")
    return (1 + data_bits + int(parity) + stop_bits) / baud


def silence_s(baud: int, character_s: float) -> float:
    """The silence t3.5 that separates frames, in seconds; fixed above 19200 Bd (§2.5.1.1)."""
    return _FIXED_SILENCE_S if baud > _FASTEST_TIMED_BAUD else 3.5 * character_s


class RtuReader:
    """Finds the answer to one question among whatever a serial line brings. Never raises.

    Feed it everything that arrives after the question was sent, in chunks of any size. The answer
    is returned by the call that brings its last byte; no silence is waited for. Accepted is only
    what ``judge`` accepts with a good CRC. Noise, frames of other units, late frames to other
    questions and the echo of the question are passed over. A late answer to an *earlier* read with
    the same signature cannot be told apart: drain the line after a timeout.

    ``echoes`` says whether the adapter hears its own question. The beginning of a question can
    itself be a valid answer (``04 03 02 B0 00 01 84 00``: seven bytes that say 45056), so

    - None, unknown: a read takes bytes that equal its question for the echo, any number of times,
      never for an answer. A write takes them for its reply, which for functions 5, 6 and 22
      equals the question: confirm by reading back.
    - True: exactly one echo is expected, and passed over for every function.
    - False: there is none, and equal bytes are judged like any others.

    A valid answer that lies within what may be a longer frame is accepted if it is complete before
    the longer one is: that may never be finished. Nothing within a finished frame is an answer.
    """

    def __init__(self, request: Request, *, echoes: bool | None = None) -> None:
        self.echoed = False
        """Whether the whole question came back."""
        self.consumed_answer = False
        """Whether an answer of full length came with a bad CRC: it is not owed any more.

        Only said when it began where a frame must begin: first of all, or behind a valid frame.
        """
        self._request = request
        self._question = rtu_frame(request)
        self._length = rtu_reply_bytes(request)
        self._head = self._question[:1] + request.reply_start
        self._decline = bytes((request.unit, request.function | EXCEPTION_FLAG))
        self._echoes = echoes
        self._buffer = bytearray()
        self._boundary = 0  # end of the last valid frame
        # Where a frame may have begun that is not complete yet, and the buffer size to look again.
        self._open: list[tuple[int, int]] = []
        self._next = 0  # first start that was not looked at
        self._found = Seen.NOTHING
        self._done = False

    @property
    def seen(self) -> Seen:
        """The most telling thing that came so far instead of the answer."""
        begun = any(self._begins_answer(start) for start, _ in self._open)
        if begun and _WEIGHT[self._found] < _WEIGHT[Seen.PARTIAL]:
            return Seen.PARTIAL
        return self._found

    def feed(self, data: bytes) -> Answer | Declined | None:
        """Take what arrived; the answer if it is now complete. After that, nothing is taken."""
        if self._done:
            return None
        if not self._buffer and self._is_plain_answer(data):
            self._done = True
            return Answer(self._request.unit, self._request.function, data[2 : self._length - 2])
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            if len(self._buffer) + len(piece) > _BUFFER_LIMIT:
                self._shorten()
            self._buffer += piece
            result = self._search()
            if result is not None:
                self._done = True
                return result
        return None

    def _is_plain_answer(self, data: bytes) -> bool:
        """The common case, in a few microseconds: the normal reply and nothing before it."""
        if not 0 < self._length <= len(data) or not data.startswith(self._head):
            return False
        if self._request.open_ended:
            return False
        if self._echoes or (self._echoes is None and not self._request.self_identifying):
            overlap = min(len(data), len(self._question))
            if data[:overlap] == self._question[:overlap]:
                return False
        return crc16_modbus(data[: self._length]) == 0

    def _search(self) -> Answer | Declined | None:
        buffer, size = self._buffer, len(self._buffer)
        still_open: list[tuple[int, int]] = []
        echo_end = frame_end = 0
        for start, look_at in chain(self._open, zip(range(self._next, size), repeat(0))):
            if start < echo_end or (start < frame_end and not self._outlasts(start, frame_end)):
                continue
            if look_at > size:
                still_open.append((start, look_at))
                continue
            if start + 1 < size and buffer[start + 1] not in _REPLY_LENGTH:
                self._note(Seen.NOISE)
                continue
            if self._echoes is not False and self._equals_question(start):
                if self._echoes is None and (answer := self._repeated_reply(start)) is not None:
                    return answer
                echo_end = start + len(self._question)
                if size < echo_end:
                    # It may become the echo, and then nothing within it is an answer.
                    self._open, self._next = [*still_open, (start, 0)], start + 1
                    return None
                self._pass_echo(echo_end)
                continue
            result = self._examine(start)
            if isinstance(result, Seen):
                self._note(result)
                if result not in (Seen.NOISE, Seen.BAD_CRC):
                    frame_end = self._boundary
            elif isinstance(result, int):
                still_open.append((start, result))
            else:
                return result
        self._open, self._next = still_open, size
        return None

    def _outlasts(self, start: int, end: int) -> bool:
        """Whether an answer may begin here, inside a valid frame of others, and end behind it.

        Of the two, the one that fits the question is the less likely to be an accident.
        """
        tail = self._buffer[start : start + len(self._head)]
        if self._head.startswith(tail):
            length = self._length
            if self._request.open_ended:
                length = self._announced_length(start)
            return start + length > end
        return self._decline.startswith(tail[:2]) and start + _EXCEPTION_LENGTH > end

    def _equals_question(self, start: int) -> bool:
        if self._buffer[start] != self._question[0]:
            return False
        return self._question.startswith(self._buffer[start : start + len(self._question)])

    def _repeated_reply(self, start: int) -> Answer | None:
        """The reply of a write that came as a copy of (the beginning of) its question."""
        frame = bytes(self._buffer[start : start + self._length])
        if not self._request.self_identifying or not 0 < self._length == len(frame):
            return None
        if crc16_modbus(frame) != 0:
            return None
        result = judge(self._request, frame[0], frame[1:-2])
        return result if isinstance(result, Answer) else None

    def _pass_echo(self, end: int) -> None:
        self._note(Seen.ECHO)
        self.echoed = True
        self._boundary = max(self._boundary, end)
        if self._echoes:
            self._echoes = False

    def _examine(self, start: int) -> Answer | Declined | Seen | int:
        """What begins at ``start``, or the buffer size at which that can be said."""
        end = start + self._announced_length(start)
        if end == start:
            return Seen.NOISE
        if end > len(self._buffer):
            return end
        frame = bytes(self._buffer[start:end])
        if crc16_modbus(frame) != 0:
            return self._blame(frame, start)
        result = judge(self._request, frame[0], frame[1:-2])
        if isinstance(result, Seen):
            self._boundary = max(self._boundary, end)
        return result

    def _announced_length(self, start: int) -> int:
        """Length of the reply frame that would begin here, as far as is known; 0 if none can."""
        known = len(self._buffer) - start
        if known < 2:
            return 2
        length = _REPLY_LENGTH.get(self._buffer[start + 1], 0)
        if length == _DESCRIBED:
            announced = identification_length(self._buffer[start + 1 :])
            return announced and _OVERHEAD + announced
        if length != _COUNTED:
            return length
        if known < 3:
            return 3
        return _OVERHEAD + 2 + self._buffer[start + 2]

    def _blame(self, frame: bytes, start: int) -> Seen:
        if frame[0] != self._request.unit or frame[1] & ~EXCEPTION_FLAG != self._request.function:
            return Seen.NOISE
        full = self._length if frame[1] == self._request.function else _EXCEPTION_LENGTH
        if self._request.open_ended and frame[1] == self._request.function:
            full = len(frame)  # it may be the length that was damaged; nothing can tell
        # While an echo is still awaited it may be that which was garbled.
        if start == self._boundary and len(frame) == full and not self._echoes:
            self.consumed_answer = True
        return Seen.BAD_CRC

    def _begins_answer(self, start: int) -> bool:
        if self._buffer[start] != self._request.unit or self._request.broadcast:
            return False
        if start + 1 == len(self._buffer):
            return start == self._boundary
        return self._buffer[start + 1] & ~EXCEPTION_FLAG == self._request.function

    def _note(self, seen: Seen) -> None:
        if _WEIGHT[seen] > _WEIGHT[self._found]:
            self._found = seen

    def _shorten(self) -> None:
        cut = len(self._buffer) - _BUFFER_KEPT
        del self._buffer[:cut]
        self._boundary -= cut
        self._open = [(start - cut, at - cut) for start, at in self._open if start >= cut]
        self._next = max(0, self._next - cut)
        self._found = Seen.NOISE
