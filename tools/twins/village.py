"""Sensors of the simulated village as Modbus devices. What people hear is in outputs.

Register maps are those of facts/domain.md §2.6; each class names its source key. A signal of NaN
reads as the error word FFFFh.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tools.twins.modbus_unit import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refusal, Table, Unit
from tools.twins.outputs import Amplifier, RelayBoard
from tools.twins.sensor import (
    ERROR_WORD,
    Sensor,
    TippingBucket,
    high_word_first,
    low_word_first,
    signed_word,
    word,
)
from tools.twins.world import NS_PER_S, World

_NS_PER_HOUR = 3600 * NS_PER_S
_GAS_TYPES = {"h2s": 1, "lel": 2, "so2": 3, "co": 4, "o2": 5, "h2": 6}


class Sl651Gauge(Sensor):
    """Rain and level by the SL 651 smart-sensor map (source: SL651 table 5).

    Holding 0000-0001 uint32 cumulative rain x 0.1 mm, 0002-0003 int32 water level mm, high word
    first. The rain field is N(6,1): it rolls over after 99999.9 mm.
    """

    model = "gauge-sl651"

    def __init__(
        self,
        world: World,
        *,
        rain: str = "rain.intensity",
        level: str = "river.level",
        tip_mm: float = 0.2,
        start_mm: float = 0.0,
        turnaround_ms: float | None = None,
    ) -> None:
        super().__init__(world, turnaround_ms)
        self.bucket = TippingBucket(world, rain, tip_mm)
        self._level = level
        self._start_mm = start_mm
        self.holding = dict.fromkeys(range(4), 0)

    def refresh(self) -> None:
        rain_mm = self._start_mm + self.bucket.tips() * self.bucket.tip_mm
        level_m = self.world.value(self._level)
        level = -1 if math.isnan(level_m) else round(level_m * 1000)
        words = high_word_first(round(rain_mm * 10) % 1_000_000) + high_word_first(level)
        self.holding.update(enumerate(words))

    def state(self) -> dict[str, object]:
        return {"tips": self.bucket.tips()}


class Sen0575Rain(Sensor):
    """DFRobot SEN0575 tipping bucket, address C0h (source: DFR).

    Inputs 0 PID, 1 VID (PID 100C0h, its bits 16-17 in bits 14-15 of VID 3343h), 2 address, 3 baud,
    4 parity and stop, 5 version, 6-7 rain in the window, 8-9 cumulative, 10-11 tips, 12 minutes
    running; 32 bits low word first. Holding 6 window 1-24 h, 7 rain per tip. Rain counts in
    0.0001 mm and the tip in 0.0001 mm, as the maker's library divides by 10000 (not in the facts).
    """

    model = "rain-sen0575"

    def __init__(
        self, world: World, *, rain: str = "rain.intensity", turnaround_ms: float | None = None
    ) -> None:
        super().__init__(world, turnaround_ms)
        self.bucket = TippingBucket(world, rain, 0.28)
        self._begun_ns = world.now()
        identity = [0x00C0, 0x7343, 0xC0, 3, 0, 0x1000]
        self.inputs = dict(enumerate(identity)) | dict.fromkeys(range(6, 13), 0)
        self.holding = {6: 1, 7: 2800}

    def refresh(self) -> None:
        now = self.world.now()
        tips = self.bucket.tips()
        in_window = tips - self.bucket.tips(now - self.holding[6] * _NS_PER_HOUR)
        per_tip = self.holding[7]
        words = low_word_first(in_window * per_tip) + low_word_first(tips * per_tip)
        words += low_word_first(tips)
        words.append((now - self._begun_ns) // (60 * NS_PER_S) & 0xFFFF)
        self.inputs.update(enumerate(words, start=6))

    def written(self, table: Table, address: int, values: list[int]) -> None:
        if not 1 <= self.holding[6] <= 24:
            raise Refusal(ILLEGAL_VALUE)

    def state(self) -> dict[str, object]:
        return {"tips": self.bucket.tips()}


class Sen0676Radar(Sensor):
    """DFRobot SEN0676 80 GHz radar level, id 1, 115200 8N1 (source: DFR).

    Holding 0001 empty distance mm, 0003 water level mm, 0005 install height cm, 03F4 address, 03F6
    baud / 100, 07D4 range m. Addresses 0, 2, 4 read 0, so that 1-5 can be read together.
    """

    model = "radar-sen0676"

    def __init__(
        self,
        world: World,
        *,
        level: str = "river.level",
        install_height_cm: int = 600,
        turnaround_ms: float | None = None,
    ) -> None:
        super().__init__(world, turnaround_ms)
        self._level = level
        settings = {5: install_height_cm, 0x03F4: 1, 0x03F6: 1152, 0x07D4: 20}
        self.holding = dict.fromkeys(range(6), 0) | settings

    def refresh(self) -> None:
        level_mm = self.world.value(self._level) * 1000
        self.holding[1] = word(self.holding[5] * 10 - level_mm)
        self.holding[3] = word(level_mm)

    def written(self, table: Table, address: int, values: list[int]) -> None:
        if (address, len(values)) != (5, 1):
            raise Refusal(ILLEGAL_ADDRESS)


class WeatherStation(Sensor):
    """RS-FSXCS-type all-in-one weather station, 4800 8N1 (source: SIX).

    Holding 01F4 (500) and on, 20 registers: +0 wind speed (x 0.1, or x 0.01 by ``wind_step``), +2
    direction code 0-7, +3 direction degrees, +4 humidity x 0.1, +5 temperature x 0.1 signed, +9
    pressure x 0.1 kPa, +13 rain x 0.1 mm; the rest reads 0. Writing 005A = 005A clears the rain.
    """

    model = "weather-rs-fsxcs"

    def __init__(
        self, world: World, *, wind_step: float = 0.1, turnaround_ms: float | None = None
    ) -> None:
        super().__init__(world, turnaround_ms)
        self.bucket = TippingBucket(world, "rain.intensity", 0.1)
        self._wind_step = wind_step
        self.holding = dict.fromkeys(range(500, 520), 0) | {0x005A: 0}

    def refresh(self) -> None:
        value = self.world.value
        direction = value("weather.wind_direction")
        self.holding |= {
            500: word(value("weather.wind_speed"), self._wind_step),
            502: ERROR_WORD if math.isnan(direction) else round(direction / 45) % 8,
            503: word(direction),
            504: word(value("weather.humidity"), 0.1),
            505: signed_word(value("weather.temperature"), 0.1),
            509: word(value("weather.pressure"), 0.1),
            513: word(self.bucket.tips()),
        }

    def written(self, table: Table, address: int, values: list[int]) -> None:
        if address != 0x005A:
            raise Refusal(ILLEGAL_ADDRESS)
        if values != [0x005A]:
            raise Refusal(ILLEGAL_VALUE)
        self.holding[0x005A] = 0
        self.bucket.restart()


class GasDetector(Sensor):
    """PemTech PT495 fixed gas detector (source: manufacturer manual, domain.md §2.6.5).

    Holding 0 (40001) concentration x 0.1, 1 (40002) status, gas type in the high byte, 2 (40003)
    AL1, 4 (40005) AL2, both x 0.1, 6 (40007) reset. Low status byte: bit 0 AL1, bit 1 AL2, latched
    until reset (not in the facts). The reading stops at the end of the range, as the cell does.
    """

    model = "gas-pt495"

    def __init__(
        self,
        world: World,
        *,
        gas: str = "h2s",
        signal: str = "",
        range_end: float = 100.0,
        alarm_1: float = 10.0,
        alarm_2: float = 20.0,
        turnaround_ms: float | None = None,
    ) -> None:
        super().__init__(world, turnaround_ms)
        self._signal = signal or f"gas.{gas}"
        self._type = _GAS_TYPES[gas]
        self._range_end = range_end
        self._latched = 0
        self._sign = -1 if gas == "o2" else 1  # too little oxygen is the danger
        self.holding = dict.fromkeys(range(7), 0) | {2: word(alarm_1, 0.1), 4: word(alarm_2, 0.1)}

    def refresh(self) -> None:
        value = self.world.value(self._signal)
        reading = ERROR_WORD if math.isnan(value) else word(min(value, self._range_end), 0.1)
        if not math.isnan(value):
            past = [self._sign * (reading - self.holding[limit]) >= 0 for limit in (2, 4)]
            self._latched |= past[0] | past[1] << 1
        self.holding[0] = reading
        self.holding[1] = self._type << 8 | self._latched

    def written(self, table: Table, address: int, values: list[int]) -> None:
        if address in (2, 4) and len(values) == 1:
            return
        if (address, len(values)) != (6, 1):
            raise Refusal(ILLEGAL_ADDRESS)
        self.holding[6] = 0
        self._latched = 0


class TiltMeter(Sensor):
    """WitMotion HWT inclinometer, address 50h, 9600 (source: vendor docs, vectors M13).

    Holding 3D-3F roll, pitch, yaw, int16 / 32768 x 180 degrees; 37-39 rate of turn, at rest 0.
    """

    model = "tilt-hwt"

    def __init__(
        self, world: World, *, signal: str = "tilt", turnaround_ms: float | None = None
    ) -> None:
        super().__init__(world, turnaround_ms)
        self._names = [f"{signal}.{axis}" for axis in ("roll", "pitch", "yaw")]
        self.holding = dict.fromkeys((0x37, 0x38, 0x39, 0x3D, 0x3E, 0x3F), 0)

    def refresh(self) -> None:
        for address, name in enumerate(self._names, start=0x3D):
            self.holding[address] = signed_word(self.world.value(name), 180 / 32768)


class DigitalInputs(Sensor):
    """WP8026ADAM 16-channel input box (source: WB): FC02 discretes 0-15.

    ``channels`` names the signal on each channel; the default has the push button on 0, mains
    present on 1, the door contact on 2. The rest is open.
    """

    model = "di16-wp8026"

    def __init__(
        self,
        world: World,
        *,
        channels: tuple[str, ...] | list[str] = ("button.pressed", "power.mains", "door.open"),
        turnaround_ms: float | None = None,
    ) -> None:
        super().__init__(world, turnaround_ms)
        self._channels = tuple(channels)
        self.discretes = dict.fromkeys(range(16), 0)

    def refresh(self) -> None:
        for channel, name in enumerate(self._channels):
            self.discretes[channel] = int(self.world.is_on(name))


class Tracer(Sensor):
    """EPEVER LS-B / Tracer solar controller, id 1, 115200 8N1 (source: EPEVER).

    Inputs (FC04, x 0.01): 3000 rated PV V, 3100/3101 PV V and A, 3102-3103 PV W, 3104 battery V,
    3105 charge A, 310C/310D load V and A, 310E-310F load W, 3110/3111 battery and case degC, 311A
    charge % (step 1), 311D system V, 3200/3201 status words, 331A battery V, 331B-331C net battery
    A; 32 bits low word first. What lies between reads 0. FC03 on 3100 is exception 2. Holding
    9013-9015 the clock. Discretes 2000 over-temperature, 200C night. Coils 2 manual load, 5 load
    test, 6 force load.
    """

    model = "solar-tracer"

    def __init__(self, world: World, *, turnaround_ms: float | None = None) -> None:
        super().__init__(world, turnaround_ms)
        measured = [*range(0x3100, 0x3112), 0x311A, 0x311D, 0x3200, 0x3201, *range(0x331A, 0x331D)]
        self.inputs = dict.fromkeys(measured, 0) | {0x3000: 10_000, 0x311D: 1200}
        self.holding = {0x9013: 0x1805, 0x9014: 0x0202, 0x9015: 0x0F07}
        self.discretes = {0x2000: 0, 0x200C: 0}
        self.coils = {2: 1, 5: 0, 6: 0}

    def refresh(self) -> None:
        value = self.world.value
        pv, pv_current = value("power.pv_voltage"), value("power.pv_current")
        battery, load = value("power.battery_voltage"), value("power.load_current")
        night = pv < battery
        charge = 0.0 if night or math.isnan(pv + battery) else pv * pv_current / battery
        self.discretes[0x200C] = int(night)
        self._put(0x3100, [word(pv, 0.01), word(pv_current, 0.01)])
        self._put(0x3102, [*_centi(pv * pv_current), word(battery, 0.01), word(charge, 0.01)])
        self._put(0x310C, [word(battery, 0.01), word(load, 0.01), *_centi(battery * load)])
        self._put(0x3110, [signed_word(value("weather.temperature"), 0.01)] * 2)
        self.inputs[0x311A] = word(value("power.battery_soc"))
        # low-voltage disconnect of a 12 V battery; the input is without power at night
        self.inputs[0x3200] = 3 if battery < 11.1 else 0
        self.inputs[0x3201] = (1 << 14) | 1 << 0 if night else 2 << 2 | 1
        self._put(0x331A, [word(battery, 0.01), *_centi(charge - load)])

    def written(self, table: Table, address: int, values: list[int]) -> None:
        """The clock and the coils can be set."""

    def _put(self, address: int, words: list[int]) -> None:
        self.inputs.update(enumerate(words, start=address))


def _centi(value: float) -> list[int]:
    return low_word_first(-1 if math.isnan(value) else round(value * 100))


def _plain(_world: World, **tables: list[int]) -> Unit:
    """Registers that only change when written: ``holding = [1, 2, 3]`` and so on."""
    return Unit(
        coils=tables.get("coils", ()),
        discretes=tables.get("discretes", ()),
        holding=tables.get("holding", ()),
        inputs=tables.get("inputs", ()),
    )


MODELS: dict[str, Callable[..., Unit]] = {
    kind.model: kind
    for kind in (
        Sl651Gauge,
        Sen0575Rain,
        Sen0676Radar,
        WeatherStation,
        GasDetector,
        TiltMeter,
        DigitalInputs,
        Tracer,
        RelayBoard,
        Amplifier,
    )
} | {"plain": _plain}
"""Model name -> constructor taking the world and the device's options as keywords."""
