"""``python -m tools.twins LINES.toml``: a simulated site as one process.

Prints one JSON object when everything can be opened: ``{"ready": true, "pid", "lines": {id:
{"kind", "path" or "host" and "port"}}, "control"}``. The file is described in site, the control
socket in control. Ends on SIGTERM, SIGINT and, with --die-with-parent, when standard input ends.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

from tools.twins.control import serve_orders
from tools.twins.frame_log import FrameLog
from tools.twins.parent import when_input_ends
from tools.twins.site import load_site

# The threads of the lines have to get their turn at once, not after the default 5 ms.
_SWITCH_S = 0.0002


def main() -> int:
    """Exit status: 0 after an orderly end, 2 if the site cannot be started."""
    parser = argparse.ArgumentParser(prog="tools.twins", description="A simulated site.")
    parser.add_argument("lines", type=Path, help="TOML file that describes the lines")
    parser.add_argument("--control", type=Path, help="unix socket to take orders on")
    parser.add_argument("--log", type=Path, help="file for all frames, one JSON object per line")
    parser.add_argument("--die-with-parent", action="store_true", help="end with standard input")
    options = parser.parse_args()
    sys.setswitchinterval(_SWITCH_S)
    with contextlib.ExitStack() as stack:
        try:
            file = options.log and stack.enter_context(options.log.open("a", encoding="utf-8"))
            site = load_site(options.lines, FrameLog(file, most=1000).add)
            site.start()
        except (OSError, ValueError) as error:
            print(f"{options.lines}: {error}", file=sys.stderr)
            return 2
        stack.callback(site.close)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if options.die_with_parent:
            when_input_ends(stop.set)
        if options.control is not None:
            stack.enter_context(serve_orders(site, options.control))
        ready = {
            "ready": True,
            "pid": os.getpid(),
            "lines": site.addresses(),
            "control": options.control and str(options.control),
        }
        print(json.dumps(ready), flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
