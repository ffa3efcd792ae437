"""Starts the link process, restarts it when it ends, and stops it first when the agent stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_log = logging.getLogger("tongluo.supervisor")

_FIRST_S = 0.5
_MOST_S = 30.0
# A link that ran this long had a good start: the next fault begins with a short wait again.
_GOOD_RUN_S = 60.0
_STOP_S = 3.0


@dataclass(slots=True)
class ChildState:
    """The supervised process for status: its pid, how often it was restarted, how it last ended."""

    pid: int | None = None
    restarts: int = 0
    last_exit: int | None = None


class Supervisor:
    """Owns one child process, or none while there is nothing to run."""

    def __init__(self, arguments: Sequence[str] | None) -> None:
        """``arguments`` None: nothing is run until ``use`` says what."""
        self.state = ChildState()
        self._command = _command(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._changed = asyncio.Event()

    def use(self, arguments: Sequence[str] | None) -> None:
        """Run the child with other arguments, or no child; one that runs is ended first."""
        command = _command(arguments)
        if command != self._command:
            self._command = command
            self._changed.set()

    async def run(self) -> None:
        """Keep the child running until cancelled; after cancellation it has been stopped."""
        delay_s = _FIRST_S
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._changed.clear()
                began = loop.time()
                code = await self._run_once()
                if self._changed.is_set():
                    delay_s = _FIRST_S
                    continue
                self.state.restarts += 1
                if loop.time() - began > _GOOD_RUN_S:
                    delay_s = _FIRST_S
                _log.error("event=link_ended code=%d again_in_s=%.1f", code, delay_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), delay_s)
                delay_s = min(delay_s * 2, _MOST_S)
        finally:
            await self._stop()

    async def _run_once(self) -> int:
        """From a start of the child to its end, or until something else is to be run."""
        if not self._command:
            await self._changed.wait()
            return 0
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE
        )
        self.state.pid = process.pid
        waits = [asyncio.ensure_future(process.wait()), asyncio.ensure_future(self._changed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        await self._stop()
        self.state.pid = None
        self.state.last_exit = process.returncode
        return process.returncode or 0

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


def _command(arguments: Sequence[str] | None) -> list[str]:
    if arguments is None:
        return []
    return [sys.executable, "-P", "-m", "edge.cli.main", *arguments]
