"""Alarm records: what was written comes back, and records of older programs are still read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.instant import ClockQuality, Instant, Utc
from edge.core.model import Alarm, Change, Level, Phase, RuleId, Silence, Silencing
from edge.engine.bodies import alarm_body, alarm_from
from protocols.envelope import decode_body, encode_body

# As the first program wrote a red alarm: before silences, changes and answers' times were kept.
OLD = bytes.fromhex(
    "ab626964781b72697665722d666c6f6f642f313731383135383530303030302f316472756c656b7269766572"
    "2d666c6f6f64656c6576656c63726564657068617365766163746976652c20756e61636b6e6f776c65646765"
    "646763757272656e74666f72616e67656768696768657374637265646865766964656e636581a564756e6974"
    "616d65706f696e746b72697665722e6c6576656c6576616c7565fb400a666666666666667574635f6d730167"
    "7175616c69747964676f6f64687265766973696f6e046873696e63655f6d731b000001900a3a20a06b73696e"
    "63655f636c6f636b6673796e6365646f61636b6e6f776c65646765645f62796477616e67"
)

utcs = st.builds(Utc, st.integers(0, 1 << 42), st.sampled_from(ClockQuality))
levels = st.sampled_from(Level)
limited = st.builds(
    Silence, st.sampled_from([Silencing.SHELVED, Silencing.INHIBITED]), st.text(), st.text(),
    levels, utcs, st.text(), utcs, st.just(Instant(5)),
)  # fmt: skip
unlimited = st.builds(
    Silence, st.sampled_from([Silencing.OUT_OF_SERVICE, Silencing.SUPPRESSED]), st.text(),
    st.text(), levels, utcs, st.text(),
)  # fmt: skip
alarms = st.builds(
    Alarm,
    rule=st.text(min_size=1).map(RuleId),
    id=st.text(),
    current=levels,
    level=levels,
    highest=levels,
    phase=st.sampled_from(Phase),
    revision=st.integers(0, 1 << 31),
    since=utcs,
    acknowledged_by=st.text(),
    silences=st.lists(st.one_of(limited, unlimited), max_size=4).map(tuple),
    acknowledged=st.none() | utcs,
    re_alarms=st.none() | st.just(Instant(7)),
    chattering=st.booleans(),
    change=st.none() | st.sampled_from(Change),
    by=st.text(),
)


@given(alarms)
def test_all_but_monotonic_times_comes_back(alarm: Alarm) -> None:
    timeless = replace(
        alarm,
        re_alarms=None,
        silences=tuple(replace(each, ends=None) for each in alarm.silences),
    )
    assert alarm_from(decode_body(encode_body(alarm_body(alarm)))) == timeless


def test_a_record_of_the_first_program_is_read() -> None:
    alarm = alarm_from(decode_body(OLD))
    assert alarm == Alarm(
        RuleId("river-flood"), "river-flood/1718158500000/1", Level.ORANGE, Level.RED, Level.RED,
        Phase.ACTIVE_UNACKNOWLEDGED, 4, Utc(1718158500000, ClockQuality.SYNCED), "wang",
    )  # fmt: skip


def test_what_says_nothing_new_is_written_as_the_first_program_did() -> None:
    alarm = alarm_from(decode_body(OLD))
    assert alarm_body(alarm).keys() == decode_body(OLD).keys()


GOOD = {
    "kind": "shelved", "by": "wang", "reason": "works", "up_to": "orange",
    "since_ms": 1, "since_clock": "synced", "until_ms": 2, "until_clock": "synced",
}  # fmt: skip


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "something newer"},
        {"up_to": "pink"},
        {"since_ms": "1"},
        {"until_clock": "sundial"},
        {"until_ms": None},
    ],
    ids=str,
)
def test_a_silence_that_cannot_be_read_is_none_and_the_alarm_stays(
    damage: dict[str, object],
) -> None:
    body = {**decode_body(OLD), "silences": [GOOD, {**GOOD, **damage}, "no map"]}
    alarm = alarm_from(body)
    assert [each.by for each in alarm.silences] == ["wang"]
    assert alarm.phase is Phase.ACTIVE_UNACKNOWLEDGED


def test_a_limited_silence_without_an_end_is_none() -> None:
    endless = {key: value for key, value in GOOD.items() if not key.startswith("until")}
    assert alarm_from({**decode_body(OLD), "silences": [endless]}).silences == ()
    assert alarm_from({**decode_body(OLD), "silences": "none"}).silences == ()


def test_a_change_of_a_newer_program_is_left_out() -> None:
    assert alarm_from({**decode_body(OLD), "change": "sung"}).change is None
