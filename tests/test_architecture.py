"""What holds of the whole: names, contracts, requirements, and the wheel as it is installed."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SHIPPED = ("edge", "drivers", "protocols", "uplink")
DEVELOPMENT = ("tools", "tests", "hil_tests")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# --- names


def test_no_import_name_is_one_of_the_standard_library() -> None:
    assert not set(SHIPPED + DEVELOPMENT) & sys.stdlib_module_names


def test_package_markers_hold_nothing_but_their_docstring() -> None:
    """Importing one module must not pull in its neighbours."""
    for package in (*SHIPPED, "edge/core", "edge/engine", "edge/app", "edge/cli"):
        marker = ROOT / package / "__init__.py"
        body = ast.parse(marker.read_text(encoding="utf-8")).body
        assert [type(node) for node in body] == [ast.Expr], marker.relative_to(ROOT)


def test_tests_cannot_be_imported_by_name() -> None:
    assert not [*ROOT.glob("tests/**/__init__.py"), *ROOT.glob("hil_tests/**/__init__.py")]


# --- contracts: each is seen to break, in a copy of the tree, by one seeded import

LAYERS = "arrows go down only"
PLACED = "every part of edge has a place in the layers"
SEPARATE = "nothing that ships needs the development tree"
PURE = "bytes, vocabulary and judgement are pure: time and I/O come in as arguments"
STRANGERS = "drivers are strangers to each other"

SEEDS = [
    ("edge/app/seed.py", "import edge.cli.main", LAYERS),
    ("edge/engine/seed.py", "import edge.app.config", LAYERS),
    ("edge/engine/seed.py", "import drivers.bus", LAYERS),
    ("edge/engine/seed.py", "import uplink", LAYERS),
    ("drivers/seed.py", "import edge.engine.alarms", LAYERS),
    ("drivers/seed.py", "import uplink", LAYERS),
    ("uplink/seed.py", "import drivers.bus", LAYERS),
    ("uplink/seed.py", "import edge.engine.alarms", LAYERS),
    ("edge/core/seed.py", "import edge.engine.alarms", LAYERS),
    ("protocols/seed.py", "import edge.core.units", LAYERS),
    ("edge/novelty/__init__.py", "", PLACED),
    ("edge/app/seed.py", "import tools.checks", SEPARATE),
    ("protocols/seed.py", "import hil_tests", SEPARATE),
    ("uplink/seed.py", "import tests.conftest", SEPARATE),
    ("protocols/seed.py", "import asyncio", PURE),
    ("protocols/seed.py", "from time import monotonic", PURE),
    ("edge/core/seed.py", "import socket", PURE),
    ("edge/engine/alarms.py", "import random", PURE),
    ("edge/engine/conditions.py", "import sqlite3", PURE),
    ("edge/engine/quality/checks.py", "import os.path", PURE),
    ("edge/engine/plan.py", "from datetime import datetime", PURE),
    ("drivers/line_sensor.py", "import drivers.modbus_device", STRANGERS),
    ("drivers/seed.py", "import drivers.line_sensor", STRANGERS),
]


def _broken_contracts(folder: Path) -> set[str]:
    lint = shutil.which("lint-imports", path=Path(sys.executable).parent)
    assert lint is not None
    command = [lint, "--no-cache", "--config", "pyproject.toml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    verdicts = re.findall(r"^(.+?) +(KEPT|BROKEN)\b", done.stdout, flags=re.MULTILINE)
    contracts = [contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]]
    assert [name for name, _ in verdicts] == contracts, done.stdout + done.stderr
    return {name for name, verdict in verdicts if verdict == "BROKEN"}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The Python sources and settings of this checkout, to be spoiled."""
    for name in (*SHIPPED, "tools"):
        for path in (ROOT / name).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def test_contracts_hold(sources: Path) -> None:
    assert _broken_contracts(sources) == set()


@pytest.mark.parametrize(("path", "statement", "contract"), SEEDS)
def test_contract_breaks_when_violated(
    sources: Path, path: str, statement: str, contract: str
) -> None:
    spoiled = sources / path
    spoiled.parent.mkdir(exist_ok=True)
    with spoiled.open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    assert contract in _broken_contracts(sources)


# --- requirements


def _locked(name: str) -> dict[str, tuple[str, int]]:
    """Project name to version and number of hashes, as a requirements file has them."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "http" not in text
    assert "://" not in text
    found: dict[str, tuple[str, int]] = {}
    for entry in re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n?", "", text, flags=re.MULTILINE)):
        pin = re.match(r"([A-Za-z0-9._-]+)==(\S+)", entry)
        assert pin is not None, entry
        found[canonicalize_name(pin[1])] = (pin[2], len(re.findall(r"--hash=sha256:", entry)))
    return found


@pytest.mark.parametrize(
    ("name", "direct"),
    [
        ("runtime.txt", PROJECT["project"]["dependencies"]),
        (
            "dev.txt",
            PROJECT["project"]["dependencies"]
            + PROJECT["dependency-groups"]["dev"]
            + PROJECT["build-system"]["requires"],
        ),
    ],
)
def test_every_direct_requirement_is_locked_with_hashes(name: str, direct: list[str]) -> None:
    locked = _locked(name)
    for requirement in map(Requirement, direct):
        version, _ = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: locked {version}"
    assert all(hashes for _, hashes in locked.values())


def test_development_and_delivery_use_the_same_versions() -> None:
    development = _locked("dev.txt")
    for name, locked in _locked("runtime.txt").items():
        assert development[name] == locked, name


# --- the wheel, as `python -m tools.checks.wheel` has built and installed it


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    if "TONGLUO_TEST_WHEEL" not in os.environ:
        pytest.fail("run `python -m tools.checks.wheel`, which builds what is tested here")
    return zipfile.ZipFile(os.environ["TONGLUO_TEST_WHEEL"])


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


@pytest.mark.wheel
def test_wheel_holds_the_four_packages_whole_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    present = {
        path.relative_to(ROOT).as_posix()
        for package in SHIPPED
        for path in (ROOT / package).rglob("*")
        if path.is_file()
        and path.suffix != ".pyc"
        and not path.is_relative_to(ROOT / "drivers/field_node/firmware")
    }
    assert packed == present


@pytest.mark.wheel
def test_wheel_says_what_it_is(wheel: zipfile.ZipFile, metadata: Message) -> None:
    project = PROJECT["project"]
    assert (metadata["Name"], metadata["Version"]) == (project["name"], project["version"])
    extras = [
        f'{each} ; extra == "{extra}"'
        for extra, wanted in project["optional-dependencies"].items()
        for each in wanted
    ]
    assert set(map(Requirement, metadata.get_all("Requires-Dist", []))) == set(
        map(Requirement, [*project["dependencies"], *extras])
    )
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The interpreter the wheel is installed for."""
    return Path(os.environ["TONGLUO_TEST_PYTHON"])


def _run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run from a folder of somebody else's, in an environment without our variables."""
    folder.mkdir(exist_ok=True)
    for name in SHIPPED:  # a module of the working folder must not be taken for ours
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


PROBE = """
import importlib, importlib.metadata, importlib.util, json, pkgutil, sys
owners = importlib.metadata.packages_distributions()
modules = [
    module.name
    for package in sys.argv[1].split()
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + ".")
    if not module.name.endswith(".__main__")
]
for name in modules:
    importlib.import_module(name)
print(json.dumps({
    "owners": {name: owners.get(name) for name in sys.argv[1].split()},
    "present": [name for name in sys.argv[2].split() if importlib.util.find_spec(name)],
    "places": sorted({sys.modules[name].__file__ for name in modules}),
    "prefix": sys.prefix,
}))
"""


@pytest.mark.wheel
def test_installed_names_are_ours_alone_and_every_module_imports(
    installed: Path, tmp_path: Path
) -> None:
    """Also proves that what runs needs nothing beyond the runtime requirements."""
    done = _run(
        tmp_path / "cwd", installed, "-I", "-c", PROBE, " ".join(SHIPPED), " ".join(DEVELOPMENT)
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["owners"] == {name: ["tongluo"] for name in SHIPPED}
    assert seen["present"] == []
    assert seen["places"]
    assert all(Path(place).is_relative_to(seen["prefix"]) for place in seen["places"])


@pytest.mark.wheel
def test_installed_program_answers(installed: Path, tmp_path: Path) -> None:
    program = installed.with_name("tongluo")
    version = _run(tmp_path / "cwd", program, "--version")
    assert version.returncode == 0, version.stderr
    assert PROJECT["project"]["version"] in version.stdout
    usage = _run(tmp_path / "cwd", program, "--help")
    assert usage.returncode == 0, usage.stderr
    assert "check" in usage.stdout


SITE = """\
[site]
id = "sample"
name = "双河村"
time_zone = "Asia/Shanghai"

[[bus]]
id = "line-a"
kind = "rtu"
port = "/dev/serial/by-id/usb-sample"
baud = 115200
data_bits = 8
parity = "none"
stop_bits = 1

[[device]]
id = "river"
bus = "line-a"
profile = "dfrobot-sen0676"
address = 1
period_ms = 250

[[rule]]
id = "river-flood"
point = "river.level"
comparison = ">="
red = "3.20 m"
lost = "hold"
"""


@pytest.mark.wheel
def test_installed_program_checks_a_site_with_the_profiles_it_brings(
    installed: Path, tmp_path: Path
) -> None:
    program, folder = installed.with_name("tongluo"), tmp_path / "site"
    folder.mkdir()
    site = folder / "site.toml"
    site.write_text(SITE, encoding="utf-8")
    right = _run(tmp_path / "cwd", program, "check", site)
    assert right.returncode == 0, right.stdout + right.stderr
    assert "line-a" in right.stdout
    site.write_text(SITE.replace("3.20 m", "3.20 degC"), encoding="utf-8")
    wrong = _run(tmp_path / "cwd", program, "check", site)
    line = 1 + SITE[: SITE.index("red =")].count("\n")
    assert wrong.returncode == 2, wrong.stdout + wrong.stderr
    assert f"site.toml:{line}" in wrong.stdout + wrong.stderr
