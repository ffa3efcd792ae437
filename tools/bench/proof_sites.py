"""Random site files with their profiles, for the campaign against the latency proof.

A seed makes the same files everywhere. Loads are drawn so that most lines can be proven; what is
left over is for the proof to refuse.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.proof_texts import (
    ACTION,
    CONFIRM,
    DEVICE,
    HEAD,
    POINT,
    PROFILE,
    RTU,
    RULE,
    STEP,
    TCP,
)
from tools.twins.line_time import LineTime

REST, ABOVE, BELOW = 1000, 1800, 200
"""What a register holds at rest, and what makes a rule with ``>=`` or ``<=`` fire."""
STATUS_ADDRESS = 2000
"""Input registers where an output says what it has become; channel n is n - 1 further on."""
MESSAGE_ADDRESS = 10
"""Holding registers of an amplifier: the message, and behind it whether it plays."""
BLOCK_ADDRESSES = 300
"""The points of a sensor's n-th block begin at n times this address."""

_BAUDS = (1200, 2400, 4800, 9600, 9600, 9600, 19200, 19200, 38400, 57600, 115200, 115200)
_FRAMES = (("none", 1), ("none", 1), ("none", 2), ("even", 1), ("odd", 1))
_PERIODS_MS = (50, 100, 200, 250, 500, 500, 1000, 1000, 1000, 2000, 5000, 10_000)
_LONGEST_PERIOD_MS = 10_000
_READ_CHARACTERS = 13  # of a question and its answer without data


@dataclass
class _Bus:
    name: str
    baud: int | None
    parity: str = "none"
    stop_bits: int = 1
    used: set[int] = field(default_factory=set)
    load: float = 0.0

    @property
    def time(self) -> LineTime:
        letter = {"none": "N", "even": "E", "odd": "O"}[self.parity]
        return LineTime(self.baud, f"8{letter}{self.stop_bits}")


@dataclass
class _Sheet:
    """A profile: its text, and what one poll of it takes."""

    name: str
    text: str
    turnaround_ms: int
    gap_ms: int
    blocks: tuple[int, ...] = ()
    actions: tuple[str, ...] = ()
    most: int = 125

    def poll_s(self, time: LineTime) -> float:
        """Line time of one poll of all blocks, silences included."""
        each_ns = 2 * time.silence_ns + (self.turnaround_ms + self.gap_ms) * 1_000_000
        reads = sum(-(-count // self.most) for count in self.blocks)
        characters = reads * _READ_CHARACTERS + 2 * sum(self.blocks)
        return (reads * each_ns + time.ns(characters)) / 1e9


@dataclass
class _Unit:
    name: str
    bus: _Bus
    sheet: _Sheet
    period_ms: int = 0


class _Generator:
    """Draws one site. ``files`` is what it consists of, by name."""

    def __init__(self, seed: int) -> None:
        self.files: dict[str, str] = {}
        self._seed = seed
        self._random = random.Random(seed)
        self._parts: list[str] = []
        self._buses: list[_Bus] = []
        self._sensors: list[_Unit] = []
        self._outputs: list[_Unit] = []

    def draw(self) -> None:
        """Anything that may be."""
        pick = self._random
        self._buses = [self._bus(index) for index in range(pick.randint(1, 4))]
        sensors = [self._sensor_sheet(index) for index in range(pick.randint(1, 3))]
        outputs = [self._output_sheet(index) for index in range(pick.randint(1, 2))]
        self._sensors = [unit for bus in self._buses for unit in self._fill(bus, sensors)]
        self._outputs = self._place_outputs(outputs)
        self._draw_rules(pick.choice((1, 2, 2, 3, 3, 4, 6)), pick.randint(1, 3))
        self._finish(pick.choice((0, 1, 1, 1, 2, 3)))

    def draw_large(self) -> None:
        """Four lines with sixteen devices each, one of them an output, and sixteen rules."""
        sensors = [self._sensor_sheet(index) for index in range(3)]
        outputs = [self._output_sheet(index) for index in range(2)]
        for index, baud in enumerate((9600, 19200, 19200, 38400)):
            bus = _Bus(f"b{index}", baud)
            self._parts.append(RTU.format(name=bus.name, baud=baud, parity="none", stop_bits=1))
            self._buses.append(bus)
            for number in range(15):
                unit = _Unit(f"{bus.name}d{number}", bus, sensors[number % 3])
                unit.period_ms = (5000, 8000, 10_000)[number % 3]
                self._sensors.append(unit)
                self._add(unit)
            unit = _Unit(f"{bus.name}a0", bus, outputs[index % 2], 10_000)
            self._outputs.append(unit)
            self._add(unit)
        self._draw_rules(16, 8)
        self._finish(1)

    def _finish(self, dead: int) -> None:
        self.files["site.toml"] = HEAD.format(seed=self._seed, dead=dead) + "".join(self._parts)

    def _bus(self, index: int) -> _Bus:
        pick, name = self._random, f"b{index}"
        if pick.random() < 0.15:
            self._parts.append(TCP.format(name=name, port=5020 + index))
            return _Bus(name, None)
        baud, (parity, stop_bits) = pick.choice(_BAUDS), pick.choice(_FRAMES)
        self._parts.append(RTU.format(name=name, baud=baud, parity=parity, stop_bits=stop_bits))
        return _Bus(name, baud, parity, stop_bits)

    def _profile(self, name: str, kind: str, **limits: int) -> tuple[str, int, int]:
        """Text of a profile's head, turnaround and gap; the timeout leaves room for a character."""
        pick = self._random
        turnaround_ms = pick.choice((0, 1, 2, 5, 10, 20, 20, 50, 100))
        slowest = min((bus.baud for bus in self._buses if bus.baud), default=9600)
        character_ms = 12_000 / slowest
        least_ms = turnaround_ms + round(2 * character_ms) + 5
        gap_ms = pick.choice((0, 0, 0, 0, 5, 10, 30))
        timeout_ms = max(least_ms, pick.choice((30, 50, 100, 150, 200, 300, 500)))
        text = PROFILE.format(
            name=name, kind=kind, turnaround_ms=turnaround_ms, gap_ms=gap_ms,
            timeout_ms=timeout_ms, late_ms=max(timeout_ms, pick.choice((50, 100, 200, 500, 1000))),
            retries=pick.randint(0, 3), pipeline=pick.choice((1, 1, 1, 2, 4)),
            **({"max_registers": 125, "max_gap": 0} | limits),
        )  # fmt: skip
        return text, turnaround_ms, gap_ms

    def _sensor_sheet(self, index: int) -> _Sheet:
        pick, name = self._random, f"sensor-{index}"
        limits = {
            "max_registers": pick.choice((125, 125, 32, 16, 8, 4)),
            "max_gap": pick.choice((0, 0, 4, 16)),
        }
        text, turnaround_ms, gap_ms = self._profile(name, "level", **limits)
        blocks = tuple(pick.choice((1, 1, 2, 4, 8, 20)) for _ in range(pick.choice((1, 1, 2, 3))))
        most = limits["max_registers"]
        for block, count in enumerate(blocks):
            table = pick.choice(("holding", "input"))
            text += "".join(
                POINT.format(
                    name=f"p{block}_{each}", table=table, address=block * BLOCK_ADDRESSES + each
                )
                for each in range(count)
            )
        return self._keep(_Sheet(name, text, turnaround_ms, gap_ms, blocks, most=most))

    def _output_sheet(self, index: int) -> _Sheet:
        """A relay board (channels are outputs) or an amplifier (messages go to one output)."""
        pick, name = self._random, f"output-{index}"
        relay = pick.random() < 0.65
        text, turnaround_ms, gap_ms = self._profile(name, "relay" if relay else "amplifier")
        within_ms = pick.choice((100, 300, 500, 1000, 2000))
        timing = {"within_ms": within_ms, "every_ms": pick.choice((50, 100, within_ms // 2))}
        more = [pick.choice((1, 2, 8)) for _ in range(pick.choice((0, 0, 0, 1, 2)))]
        confirm = pick.choice(("none", "direct", "status", "status"))
        warm_up_ms = pick.choice((0, 0, 0, 200, 1000))
        # nobody hears a broadcast over TCP
        broadcast = pick.random() < 0.06 and all(bus.baud for bus in self._buses)
        if broadcast:
            confirm = "none"
        actions = ("on", "off") if relay else ("play", "stop")
        for action in actions:
            begins = action == actions[0]
            text += ACTION.format(
                name=action, warm_up_ms=warm_up_ms if begins else 0,
                broadcast=str(broadcast).lower(),
                parameters=_parameters(relay, begins),
                writes="".join(_writes(relay, begins, more)),
            )  # fmt: skip
            if confirm != "none":
                text += _confirm(relay, begins, confirm, timing)
        blocks: tuple[int, ...] = ()
        if pick.random() < 0.3:
            blocks = (pick.choice((1, 4)),)
            text += "".join(
                POINT.format(name=f"p0_{each}", table="holding", address=600 + each)
                for each in range(blocks[0])
            )
        return self._keep(_Sheet(name, text, turnaround_ms, gap_ms, blocks, actions))

    def _keep(self, sheet: _Sheet) -> _Sheet:
        self.files[f"{sheet.name}.toml"] = sheet.text
        return sheet

    def _fill(self, bus: _Bus, sheets: list[_Sheet]) -> list[_Unit]:
        """Devices on a line, their periods stretched until the line can bear them."""
        pick = self._random
        count = pick.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 8, 10, 12, 16))
        units = [
            _Unit(f"{bus.name}d{index}", bus, pick.choice(sheets), pick.choice(_PERIODS_MS))
            for index in range(count)
        ]
        bearable = pick.uniform(0.1, 0.75)
        cost_s = [unit.sheet.poll_s(bus.time) for unit in units]
        if bus.baud is None:
            bearable *= count  # a connection each
        load = sum(cost / unit.period_ms * 1000 for cost, unit in zip(cost_s, units, strict=True))
        kept: list[_Unit] = []
        for unit, cost in zip(units, cost_s, strict=True):
            stretched = unit.period_ms * max(1.0, load / bearable)
            unit.period_ms = min(_LONGEST_PERIOD_MS, -(-round(stretched) // 10) * 10)
            share = cost / unit.period_ms * 1000
            if bus.load + share > bearable and kept:
                continue
            bus.load += share
            kept.append(unit)
            self._add(unit)
        return kept

    def _place_outputs(self, sheets: list[_Sheet]) -> list[_Unit]:
        pick, units = self._random, []
        for index in range(pick.randint(1, 4)):
            bus, sheet = pick.choice(self._buses), pick.choice(sheets)
            unit = _Unit(f"{bus.name}a{index}", bus, sheet)
            share = sheet.poll_s(bus.time)
            if sheet.blocks and bus.load + share < 0.85:
                unit.period_ms = pick.choice((1000, 2000, 5000))
                bus.load += share / unit.period_ms * 1000
            units.append(unit)
            self._add(unit)
        return units

    def _add(self, unit: _Unit) -> None:
        address = self._random.choice([n for n in range(1, 248) if n not in unit.bus.used])
        unit.bus.used.add(address)
        self._parts.append(
            DEVICE.format(
                name=unit.name, bus=unit.bus.name, profile=unit.sheet.name, address=address
            )
        )
        if unit.sheet.blocks:
            self._parts.append(f"period_ms = {unit.period_ms or _LONGEST_PERIOD_MS}\n")

    def _draw_rules(self, rules: int, plans: int) -> None:
        pick = self._random
        for index in range(rules):
            sensor = pick.choice(self._sensors)
            block = pick.randrange(len(sensor.sheet.blocks))
            spot = pick.randrange(sensor.sheet.blocks[block])
            hold_s = 0.0
            if pick.random() < 0.3:
                hold_s = pick.choice((1, 2, pick.uniform(0.1, 4))) * sensor.period_ms / 1000
            above = pick.random() < 0.8
            thresholds = f'red = "{1500 if above else 500} mm"'
            if pick.random() < 0.3:
                thresholds += f'\norange = "{1300 if above else 700} mm"'
            self._parts.append(
                RULE.format(
                    name=f"r{index}",
                    point=f"{sensor.name}.p{block}_{spot}",
                    comparison=">=" if above else "<=",
                    thresholds=thresholds,
                    hold_s=hold_s,
                    lost=pick.choice(("hold", "hold", "hold", "red")),
                    plan=f"plan-{index % plans}",
                )
            )
        for index in range(plans):
            self._parts.append(f'\n[[plan]]\nid = "plan-{index}"\n')
            self._parts += self._steps(index)

    def _steps(self, plan: int) -> list[str]:
        """Up to three outputs, each once; relays by channel, amplifiers by message."""
        pick, steps, used = self._random, [], set()
        for each in range(pick.choice((1, 1, 2, 3))):
            unit = pick.choice(self._outputs)
            relay = unit.sheet.actions[0] == "on"
            channel = pick.randint(1, 8)
            output = (unit.name, channel if relay else 0)
            if output in used:
                continue
            used.add(output)
            steps.append(
                STEP.format(
                    level="red" if each == 0 else pick.choice(("red", "orange")),
                    actuator=unit.name,
                    action=unit.sheet.actions[0],
                    stop=unit.sheet.actions[1],
                    arguments=f"channel = {channel}" if relay else f"message = {plan + 1}",
                    stop_arguments=f"channel = {channel}" if relay else "",
                    until=pick.choice(("normal", "returned")),
                )
            )
        return steps


def _parameters(relay: bool, begins: bool) -> str:
    if relay:
        return "channel = [1, 8]"
    return "message = [1, 99]" if begins else ""


def _writes(relay: bool, begins: bool, more: list[int]) -> list[str]:
    """One write that says it, and some more behind it."""
    value = int(begins)
    if relay:
        step = ', address_step = "$channel"'
        lines = [f'  {{ table = "coil", address = 0{step}, values = [{value}] }},\n']
    else:
        step, said = "", '"$message"' if begins else "0"
        place = f'table = "holding", address = {MESSAGE_ADDRESS}'
        lines = [f"  {{ {place}, values = [{said}, {value}] }},\n"]
    for index, count in enumerate(more):
        values = ", ".join([str(value)] * count)
        place = f'table = "holding", address = {100 * (index + 1)}{step}'
        lines.append(f"  {{ {place}, values = [{values}] }},\n")
    return lines


def _confirm(relay: bool, begins: bool, confirm: str, timing: dict[str, int]) -> str:
    step = 'address_step = "$channel", ' if relay else ""
    value: int | str = int(begins)
    if confirm == "status":
        table, address = "input", STATUS_ADDRESS
    else:
        table, address = ("coil", 0) if relay else ("holding", MESSAGE_ADDRESS + 1)
    return CONFIRM.format(table=table, address=address, step=step, value=value, **timing)


def write_site(seed: int, folder: Path) -> Path:
    """Write the site of this seed and its profiles; returns the site file."""
    generator = _Generator(seed)
    generator.draw()
    return _write(generator.files, folder)


def write_large_site(folder: Path, seed: int = 0) -> Path:
    """64 devices on four lines with sixteen rules: what a proof must be quick for."""
    generator = _Generator(seed)
    generator.draw_large()
    return _write(generator.files, folder)


def _write(files: dict[str, str], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder / "site.toml"
