"""Orders to a running site, one JSON object each; several keys in one are done in this order.

- ``{"set": {"river.level": 3.4}}`` signals jump; null breaks the sensing element
- ``{"ramp": {"river.level": {"to": 3.4, "seconds": 60}}}``
- ``{"faults": {"line": "line-a", "unit": 5, "silent": true}}`` knobs of faults.Faults (ascii lines:
  AsciiFaults), of one device or without ``unit`` of the line; bytes as hex, sets as lists;
  ``"clear": true`` first switches everything off
- ``{"unplug": "line-a"}``, ``{"replug": "line-a"}``
- ``{"state": true}`` adds ``now_ns``, ``world`` and ``lines`` to the answer

The answer is ``{"ok": true, …}`` or ``{"ok": false, "error": …}``.
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tools.twins.ascii_sensor import AsciiGauge
from tools.twins.faults import AsciiFaults, Faults, assign
from tools.twins.site import Site, SiteLine, flat

_LONGEST_ORDER = 1 << 20


class _Wrong(ValueError):
    """The order cannot be carried out; the message says why."""


@contextlib.contextmanager
def serve_orders(site: Site, path: Path) -> Iterator[None]:
    """Take orders on a unix socket at this path, from any number of clients, one order at a time.

    An older socket there is replaced; it is removed at the end. Raises OSError.
    """
    one_at_a_time = threading.Lock()

    class Connection(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            # whoever hangs up, or sends a line without end, has only ended this connection
            with contextlib.suppress(OSError):
                while line := self.rfile.readline(_LONGEST_ORDER):
                    with one_at_a_time:
                        answer = obey_line(site, line)
                    self.wfile.write(answer)

    path.unlink(missing_ok=True)
    with socketserver.ThreadingUnixStreamServer(str(path), Connection) as server:
        # clients may stay connected for longer than the site lives
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            path.unlink(missing_ok=True)


def obey_line(site: Site, line: bytes) -> bytes:
    """One order and one answer as lines of JSON; never raises for what the order says."""
    try:
        order = json.loads(line)
        if not isinstance(order, dict):
            raise _Wrong("an order is a JSON object")
        answer = obey(site, order)
    except (OSError, ValueError) as error:
        answer = {"ok": False, "error": str(error)}
    return json.dumps(answer).encode() + b"\n"


def obey(site: Site, order: Mapping[str, object]) -> dict[str, object]:
    """Carry out one order. Raises ValueError, OSError; what came before the mistake stays done."""
    unknown = order.keys() - _ORDERS.keys()
    if unknown:
        raise _Wrong(f"no order {', '.join(sorted(unknown))}; known: {', '.join(_ORDERS)}")
    answer: dict[str, object] = {"ok": True}
    for name, carry_out in _ORDERS.items():
        if name in order:
            answer |= carry_out(site, order[name])
    return answer


def _set(site: Site, what: object) -> dict[str, object]:
    values = flat(_mapping(what))
    _check_signals(site, values)
    for name, value in values.items():
        site.world.set(name, value)
    return {}


def _ramp(site: Site, what: object) -> dict[str, object]:
    ramps: dict[str, tuple[float, float]] = {}
    for name, course in _mapping(what).items():
        match course:
            case {"to": int() | float() as to, "seconds": int() | float() as seconds}:
                ramps[name] = (to, seconds)
            case _:
                raise _Wrong(f'ramp {name!r} needs {{"to": …, "seconds": …}}')
    _check_signals(site, ramps)
    for name, (to, seconds) in ramps.items():
        site.world.ramp(name, to, seconds)
    return {}


def _faults(site: Site, what: object) -> dict[str, object]:
    knobs = dict(_mapping(what))
    line = _line(site, knobs.pop("line", None))
    faults = _faults_of(line, knobs.pop("unit", None))
    if knobs.pop("clear", False):
        faults.clear()
        faults.babble = b""
    assign(faults, knobs)
    return {}


def _faults_of(line: SiteLine, unit: object) -> Faults | AsciiFaults:
    if unit is None:
        return line.slave.faults
    if isinstance(line.slave, AsciiGauge) or not isinstance(unit, int):
        raise _Wrong(f"no unit {unit!r} on this line")
    if unit not in line.slave.units:
        raise _Wrong(f"no unit {unit}; there are {', '.join(map(str, line.slave.units))}")
    return line.slave.unit_faults.setdefault(unit, Faults())


def _unplug(site: Site, what: object) -> dict[str, object]:
    _line(site, what).runner.unplug()
    return {}


def _replug(site: Site, what: object) -> dict[str, object]:
    _line(site, what).runner.replug()
    return {}


def _state(site: Site, _what: object) -> dict[str, object]:
    lines = {name: line.state() for name, line in site.lines.items()}
    return {"now_ns": site.world.now(), "world": site.world.snapshot(), "lines": lines}


_ORDERS: dict[str, Callable[[Site, object], dict[str, object]]] = {
    "set": _set,
    "ramp": _ramp,
    "faults": _faults,
    "unplug": _unplug,
    "replug": _replug,
    "state": _state,
}


def _mapping(what: object) -> Mapping[str, object]:
    if not isinstance(what, dict):
        raise _Wrong(f"{what!r} is no JSON object")
    return what


def _check_signals(site: Site, names: Mapping[str, object]) -> None:
    unknown = names.keys() - site.world.snapshot().keys()
    if unknown:
        raise _Wrong(f"no signal {', '.join(sorted(unknown))}")


def _line(site: Site, name: object) -> SiteLine:
    if not isinstance(name, str) or name not in site.lines:
        raise _Wrong(f"no line {name!r}; there are {', '.join(site.lines)}")
    return site.lines[name]
