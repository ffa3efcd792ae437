"""Topics are read as they are written, and nothing else is taken for one."""

from __future__ import annotations

import pytest

from uplink.topics import Address, Topics, parse, subscription

TOPICS = Topics("county/tongluo", "shuanghe")


def test_topics_come_back() -> None:
    """Record, birth copy and link state name site and kind."""
    read = [
        parse(topic, "county/tongluo")
        for topic in (TOPICS.record("alarm"), TOPICS.birth(b"12345678"), TOPICS.link)
    ]
    assert read == [
        Address("shuanghe", "alarm", kept=False),
        Address("shuanghe", "birth", kept=True),
        Address("shuanghe", "link", kept=False),
    ]


@pytest.mark.parametrize(
    "topic",
    [
        *("", "tongluo", "tongluo/", "tongluo/a", "tongluo//alarm", "other/a/alarm"),
        *("tongluo/a/b/c/d", "tongluo/a/alarm/x", "tongluo/a/birth/", "tongluofoo/a/alarm"),
    ],
)
def test_other_topics_are_none(topic: str) -> None:
    """A prefix is whole levels; levels are not empty."""
    assert parse(topic, "tongluo") is None


def test_subscription_is_one_site_or_all() -> None:
    """Both include the kept births and the link state."""
    assert subscription("tongluo") == "tongluo/+/#"
    assert subscription("tongluo", "shuanghe") == "tongluo/shuanghe/#"
