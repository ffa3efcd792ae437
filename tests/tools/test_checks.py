"""Each rule of tools.checks finds what it is for, and lets the accepted form pass."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.checks import rules
from tools.checks.module import Module
from tools.checks.words import words

ENGINE = "edge/engine/thing.py"
CORE = "edge/core/thing.py"
DRIVER = "drivers/thing.py"

BAD: list[tuple[rules.Rule, str, str]] = [
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept:\n    pass"),
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept BaseException as e:\n    log(e)"),
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept BaseException as e:\n    raise X from e"),
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept BaseException:\n    raise X()"),
    (
        rules.cancellation,
        "tools/thing.py",
        "import asyncio as a\ntry:\n    f()\nexcept (OSError, a.CancelledError):\n    pass",
    ),
    (
        rules.cancellation,
        DRIVER,
        "from asyncio import CancelledError as C\ntry:\n    f()\nexcept C:\n    if x: raise",
    ),
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept* BaseException:\n    pass"),
    (
        rules.cancellation,
        DRIVER,
        "import asyncio, contextlib\nwith contextlib.suppress(asyncio.CancelledError):\n    f()",
    ),
    (rules.broad_except, ENGINE, "try:\n    f()\nexcept Exception:\n    pass"),
    (
        rules.broad_except,
        ENGINE,
        "try:\n    f()\nexcept (OSError, Exception):  # noqa: S110\n    pass",
    ),
    (
        rules.broad_except,
        ENGINE,
        "from contextlib import suppress\nwith suppress(Exception):\n    f()",
    ),
    (rules.ignores, ENGINE, "f()  # type: ignore[arg-type]"),
    (rules.ignores, "tests/test_x.py", "f()  # noqa: S603, S607"),
    (rules.tasks, DRIVER, "import asyncio\nasyncio.create_task(f())"),
    (rules.tasks, "edge/cli/run.py", "async def f(group):\n    group.create_task(g())"),
    (rules.tasks, "edge/cli/run.py", "async def f():\n    loop().create_task(g())"),
    (rules.tasks, DRIVER, "from asyncio import ensure_future\nensure_future(f())"),
    (rules.clock, ENGINE, "import time\nnow = time.time()"),
    (rules.clock, ENGINE, "from time import monotonic_ns as m\nnow = m()"),
    (rules.clock, ENGINE, "import time\ndef f(clock=time.monotonic): ..."),
    (rules.clock, "uplink/x.py", "from datetime import datetime, UTC\nnow = datetime.now(UTC)"),
    (rules.clock, "edge/app/x.py", "import datetime\nnow = datetime.datetime.utcnow()"),
    (rules.clock, "edge/app/x.py", "from datetime import date\nnow = date.today()"),
    (rules.duration_units, ENGINE, "@dataclass\nclass A:\n    timeout: float = 1.0"),
    (rules.duration_units, DRIVER, "class A(BaseModel):\n    poll_interval: int | None"),
    (
        rules.duration_units,
        "uplink/x.py",
        "class A(NamedTuple):\n    hold: Annotated[float, Gt(0)]",
    ),
    (rules.blocking, DRIVER, "import time\ntime.sleep(1)"),
    (rules.blocking, "uplink/x.py", "from subprocess import run\nrun(['x'])"),
    (rules.docstrings, "tests/test_x.py", "x = 1"),
    (rules.docstrings, CORE, '"""Doc."""\ndef f(): ...'),
    (
        rules.docstrings,
        "protocols/x.py",
        '"""Doc."""\nclass A:\n    """Doc."""\n    def f(self): ...',
    ),
    (rules.length, DRIVER, "\n" * (rules.MAX_FILE_LINES + 1)),
    (rules.length, DRIVER, "async def f():\n" + "    g()\n" * rules.MAX_FUNCTION_LINES),
]

GOOD: list[tuple[rules.Rule, str, str]] = [
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept BaseException as e:\n    raise e"),
    (rules.cancellation, DRIVER, "try:\n    f()\nexcept OSError:\n    pass"),
    (rules.cancellation, "tests/test_x.py", "try:\n    f()\nexcept BaseException:\n    pass"),
    (
        rules.broad_except,
        ENGINE,
        "try:\n    f()\nexcept Exception:  # a plug-in may do anything\n    g()",
    ),
    (rules.broad_except, ENGINE, "try:\n    f()\nexcept ValueError:\n    pass"),
    (rules.ignores, ENGINE, "f()  # type: ignore[arg-type]  # the stub lacks None"),
    (rules.ignores, ENGINE, "f()  # noqa: S603 - a fixed argument list"),
    (rules.ignores, ENGINE, "# a comment about noqa\nf()"),
    (rules.tasks, "edge/app/x.py", "import asyncio\nasyncio.create_task(f())"),
    (rules.tasks, "uplink/x.py", "async def f(group):\n    group.create_task(g())"),
    (rules.tasks, "tools/x.py", "import asyncio\nasyncio.create_task(f())"),
    (rules.clock, "edge/app/clock.py", "import time\nnow = time.time()"),
    (rules.clock, "tools/x.py", "import time\nnow = time.time()"),
    (rules.clock, ENGINE, "def f(clock):\n    return clock.now()"),
    (rules.clock, ENGINE, "from datetime import UTC, datetime\nd = datetime.fromtimestamp(0, UTC)"),
    (
        rules.duration_units,
        ENGINE,
        "@dataclass\nclass A:\n    timeout_s: float\n    hold_ms: int = 0",
    ),
    (
        rules.duration_units,
        ENGINE,
        "@dataclass\nclass A:\n    timeout: Instant\n    threshold: float",
    ),
    (rules.duration_units, "tools/x.py", "@dataclass\nclass A:\n    timeout: float"),
    (rules.blocking, "tools/x.py", "import time\ntime.sleep(1)"),
    (rules.blocking, DRIVER, "import asyncio\nasync def f():\n    await asyncio.sleep(1)"),
    (rules.docstrings, CORE, '"""Doc."""\ndef f():\n    """Doc."""\ndef _g(): ...'),
    (rules.docstrings, DRIVER, '"""Doc."""\ndef f(): ...'),
    (rules.length, DRIVER, "x = 1\n" * rules.MAX_FILE_LINES),
    (rules.length, "tests/test_x.py", "\n" * (rules.MAX_FILE_LINES + 1)),
    (rules.length, DRIVER, "def f():\n" + "    g()\n" * (rules.MAX_FUNCTION_LINES - 1)),
]


def _case(case: tuple[rules.Rule, str, str]) -> str:
    return f"{case[0].__name__}: {case[2][:60]!r}"


@pytest.mark.parametrize("case", BAD, ids=_case)
def test_rule_finds_the_fault_once(
    case: tuple[rules.Rule, str, str],
) -> None:
    rule, path, source = case
    assert len(list(rule(Module(path, source)))) == 1


@pytest.mark.parametrize("case", GOOD, ids=_case)
def test_rule_lets_the_accepted_form_pass(case: tuple[rules.Rule, str, str]) -> None:
    rule, path, source = case
    assert list(rule(Module(path, source))) == []


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {rule for rule, _, _ in BAD} == set(rules.RULES)


def test_an_allowed_length_names_its_reason_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "def f():\n" + "    g()\n" * rules.MAX_FILE_LINES
    monkeypatch.setattr(rules, "ALLOWED_LENGTH", {DRIVER: "why", f"{DRIVER}::f": "why"})
    assert list(rules.length(Module(DRIVER, long))) == []


def test_allowed_lengths_are_still_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = rules.ALLOWED_LENGTH
    monkeypatch.setattr(rules, "ALLOWED_LENGTH", {})
    for place, reason in allowed.items():
        path, _, function = place.partition("::")
        source = (Path(rules.__file__).parents[2] / path).read_text(encoding="utf-8")
        messages = [finding.message for finding in rules.length(Module(path, source))]
        assert reason
        assert any(f"`{function}`" in m if function else m[0].isdigit() for m in messages), place


# Spelled in parts: the words themselves must not stand in any file, this one included.
@pytest.mark.parametrize(
    "text",
    [
        "see /" + "work/main/x",
        "cd /" + "root",
        "path='/" + "home/ann/x'",
        "--index" + "-url x",
        "get it from pypi" + ".org",
        "https://a.example/x-1.0" + ".whl#sha",
        "https://a.example" + "/simple/x",
    ],
)
def test_words_of_one_machine_or_a_registry_are_found(text: str) -> None:
    assert [finding.line for finding in words("docs/x.md", "fine\n" + text)] == [2]


def test_ordinary_paths_and_addresses_pass() -> None:
    text = "/etc/tongluo/site.toml ../work/x $HOME/root/x https://www.apache.org/licenses/ ~/work/x"
    assert list(words("docs/x.md", text)) == []


def test_program_reports_place_and_exits_1(tmp_path: Path) -> None:
    """A copy of the checks judges the folder it lies in, as the checkout's does."""
    root = Path(rules.__file__).parents[2]
    (tmp_path / "tools/checks").mkdir(parents=True)
    for source in (root / "tools/checks").glob("*.py"):
        (tmp_path / "tools/checks" / source.name).write_text(source.read_text(encoding="utf-8"))
    (tmp_path / "tools/__init__.py").write_text('"""Doc."""\n')
    command = [sys.executable, "-m", "tools.checks"]
    clean = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (clean.returncode, clean.stdout) == (0, "")

    (tmp_path / "edge").mkdir()
    (tmp_path / "edge/x.py").write_text('"""Doc."""\nimport time\ntime.sleep(1)\n')
    (tmp_path / "edge/y.py").write_text("def (:\n")
    faulty = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert faulty.returncode == 1
    assert "edge/x.py:3: `time.sleep` blocks the event loop" in faulty.stdout
    assert "edge/y.py:1: not Python" in faulty.stdout
