"""Every frame of every line with its monotonic times, for benches and demonstrations."""

from __future__ import annotations

import json
import threading
from collections import deque
from typing import TextIO

from tools.twins.pacing import FrameStamp


class FrameLog:
    """Keeps the last frames and, if there is a file, writes each as one JSON object per line.

    Pass ``add`` to a line as ``on_frame``; lines may share one log. The file stays the caller's.
    """

    def __init__(self, file: TextIO | None = None, most: int = 100_000) -> None:
        self._frames: deque[FrameStamp] = deque(maxlen=most)
        self._lock = threading.Lock()
        self._file = file

    @property
    def frames(self) -> list[FrameStamp]:
        """The frames kept, oldest first."""
        with self._lock:
            return list(self._frames)

    def add(self, frame: FrameStamp) -> None:
        """Keep this frame; from any thread."""
        with self._lock:
            self._frames.append(frame)
            if self._file is not None:
                self._file.write(json.dumps(frame.as_json()) + "\n")
                self._file.flush()
