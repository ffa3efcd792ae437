"""The guards in conftest.py fail a test that leaves something running, and only such a test."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONFTEST = (HERE / "conftest.py").read_text(encoding="utf-8")
SETTINGS = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """An empty suite under the same settings and guards, which do not wait long."""
    pytester.makeconftest(CONFTEST.replace("_GRACE_S = 3.0", "_GRACE_S = 0.3"))
    pytester.makepyprojecttoml(SETTINGS)
    return pytester


def _outcomes(suite: pytest.Pytester, source: str) -> dict[str, int]:
    suite.makepyfile(source)
    return suite.runpytest_subprocess(".", "-p", "no:cacheprovider").parseoutcomes()


def test_a_process_left_running_fails_its_test_alone(suite: pytest.Pytester) -> None:
    source = """
        import subprocess

        def test_leaves_one():
            global process
            process = subprocess.Popen(["sleep", "30"])

        def test_next():
            pass

        def test_cleans_up():
            process.kill()
            process.wait()
            own = subprocess.Popen(["sleep", "30"])
            own.kill()
            own.wait()
    """
    assert _outcomes(suite, source) == {"passed": 3, "errors": 1}


def test_a_thread_left_running_fails_its_test_alone(suite: pytest.Pytester) -> None:
    source = """
        import threading

        stop = threading.Event()

        def test_leaves_one():
            threading.Thread(target=stop.wait, daemon=True).start()

        def test_cleans_up():
            stop.set()
            thread = threading.Thread(target=stop.wait)
            thread.start()
            thread.join()
    """
    assert _outcomes(suite, source) == {"passed": 2, "errors": 1}


def test_what_a_module_fixture_keeps_running_is_its_own_business(suite: pytest.Pytester) -> None:
    source = """
        import subprocess, pytest

        @pytest.fixture(scope="module")
        def server():
            with subprocess.Popen(["sleep", "30"]) as process:
                yield process
                process.kill()

        def test_one(server): pass
        def test_two(server): pass
    """
    assert _outcomes(suite, source) == {"passed": 2}


def test_a_session_fixture_that_never_stops_is_named(suite: pytest.Pytester) -> None:
    source = """
        import subprocess, pytest

        @pytest.fixture(scope="session")
        def server():
            return subprocess.Popen(["sleep", "3"])

        def test_one(server): pass
    """
    assert _outcomes(suite, source).get("errors") == 1


def test_loop_executor_and_async_subprocess_may_be_used(suite: pytest.Pytester) -> None:
    source = """
        import asyncio

        async def test_both():
            await asyncio.to_thread(int)
            process = await asyncio.create_subprocess_exec("true")
            assert await process.wait() == 0
    """
    assert _outcomes(suite, source) == {"passed": 1}


def test_state_dir_is_empty_and_private(state_dir: Path) -> None:
    assert list(state_dir.iterdir()) == []
    assert state_dir.stat().st_mode & 0o077 == 0
