"""Texts for people: both catalogues say the same things, and the environment chooses."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from edge.locale import catalogue, known, language, text

ROOT = Path(__file__).parents[3]
CODE = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "edge").rglob("*.py"))


def placeholders(words: str) -> set[str]:
    """Names in braces, with their formats."""
    return {f"{name}:{how}" for _, name, how, _ in string.Formatter().parse(words) if name}


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    """What one language says, the other says too, about the same things."""
    english, chinese = catalogue("en"), catalogue("zh")
    assert list(english) == list(chinese)
    for key, words in english.items():
        assert placeholders(words) == placeholders(chinese[key]), key
        assert words.strip()
        assert chinese[key].strip()


def test_chinese_texts_are_chinese() -> None:
    """Whatever has English words beside its placeholders was left untranslated."""
    commands = ["hint.chmod"]
    for key, words in catalogue("zh").items():
        spoken = re.sub(r"\{[^}]*\}", "", words)
        english = re.search(r"[a-z]{3}", spoken) and not re.search(r"[\u4e00-\u9fff]", spoken)
        assert not english or key in commands, key


def test_every_text_the_code_asks_for_exists() -> None:
    """A missing one would be a crash at the worst moment."""
    for key in re.findall(r'\btext\(\s*"([a-z_]+\.[a-z0-9_.-]+)"', CODE):
        assert known(key), key


def test_no_text_of_the_configuration_is_dead() -> None:
    """Keys that nobody asks for any more are taken out."""
    written = set(re.findall(r'"([a-z][a-z0-9.-]+)"', CODE))
    for key in catalogue("en"):
        section, _, name = key.partition(".")
        if section == "problem":
            assert name in written or name == "invalid", key
        elif section in ("hint", "reason", "order", "type"):
            assert key in written, key


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_TW", "LANG": "en_US.UTF-8"}, "zh"),
        ({"TONGLUO_LANG": "zh", "LC_ALL": "en_US.UTF-8"}, "zh"),
        ({"TONGLUO_LANG": "en", "LC_ALL": "zh_CN"}, "en"),
        ({"TONGLUO_LANG": "", "LC_ALL": "", "LANG": "ZH"}, "zh"),
    ],
)
def test_the_environment_chooses_the_language(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    """The project's own variable first, then POSIX's order; English unless Chinese is asked for."""
    for name in ("TONGLUO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_a_missing_key_or_placeholder_is_a_bug() -> None:
    """It is not papered over."""
    with pytest.raises(KeyError):
        text("problem.no-such-problem")
    with pytest.raises(KeyError):
        text("problem.file-unreadable")
    assert known("problem.syntax")
    assert not known("problem.no-such-problem")
