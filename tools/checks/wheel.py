"""`python -m tools.checks.wheel`: builds the wheel and judges it where the source tree is not.

It goes into a new environment that has the locked runtime requirements and nothing else; then the
tests marked ``wheel`` look at the file and run the program from there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _run(what: str, *command: str | Path) -> None:
    """Run quietly; on failure show what was said and end the program."""
    print(f"   {what}", flush=True)
    done = subprocess.run(
        command, cwd=ROOT, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{what}: failed")


def main() -> int:
    """Build, install, test. Returns the exit status of the tests."""
    with tempfile.TemporaryDirectory(prefix="tongluo-wheel-") as name:
        folder = Path(name)
        python = folder / "env/bin/python"
        pip = (python, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "install")
        build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
        _run("build the wheel", *build, ROOT)
        (wheel,) = folder.glob("*.whl")
        _run("create an environment", sys.executable, "-m", "venv", folder / "env")
        locked = ROOT / "requirements/runtime.txt"
        _run("install the locked runtime requirements", *pip, "--require-hashes", "-r", locked)
        _run(f"install {wheel.name}", *pip, "--no-deps", "--no-index", wheel)
        _run("agree on the requirements", python, "-I", "-m", "pip", "check")
        seen = {"TONGLUO_TEST_WHEEL": str(wheel), "TONGLUO_TEST_PYTHON": str(python)}
        tests = (sys.executable, "-m", "pytest", "-m", "wheel", "tests/test_architecture.py")
        return subprocess.run(tests, cwd=ROOT, check=False, env=os.environ | seen).returncode


if __name__ == "__main__":
    sys.exit(main())
