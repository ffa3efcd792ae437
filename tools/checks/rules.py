"""One function per rule: takes a module, yields findings."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from tools.checks.module import SHIPPED, Finding, Function, Module

Rule = Callable[[Module], Iterator[Finding]]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50

# Path, or path::function, that may be longer, and why.
ALLOWED_LENGTH: dict[str, str] = {}

_CANCELLATION = {"BaseException", "CancelledError", "asyncio.CancelledError"} | {
    "asyncio.exceptions.CancelledError",
    "concurrent.futures.CancelledError",
}


def _caught(module: Module, kind: ast.expr | None) -> set[str]:
    if kind is None:
        return {"BaseException"}
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return {module.dotted(each) for each in kinds}


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if not isinstance(last, ast.Raise):
        return False
    if last.exc is None:
        return True
    return isinstance(last.exc, ast.Name) and last.exc.id == handler.name


def cancellation(module: Module) -> Iterator[Finding]:
    """Whoever catches a cancellation cleans up and raises it again; swallowed it hangs a stop."""
    if module.under("tests"):
        return  # a test ends the tasks it started
    for node in module.nodes:
        if isinstance(node, ast.ExceptHandler):
            caught = _caught(module, node.type) & _CANCELLATION
            if caught and not _raises_again(node):
                yield module.finding(node, "catches cancellation and does not end in `raise`")
    for call, name in module.called():
        if name == "contextlib.suppress" and {*map(module.dotted, call.args)} & _CANCELLATION:
            yield module.finding(call, "suppresses cancellation")


_IGNORE = re.compile(
    r"noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^]]*\])?|pragma: no cover"
)


def _reason(comment: str) -> bool:
    """Whether a comment says more than which tool is switched off."""
    return re.search(r"\w", _IGNORE.sub("", comment)) is not None


def broad_except(module: Module) -> Iterator[Finding]:
    """`except Exception` says on its line why any bug may be met there."""
    places: list[ast.AST] = [
        node
        for node in module.nodes
        if isinstance(node, ast.ExceptHandler) and "Exception" in _caught(module, node.type)
    ]
    for call, name in module.called():
        if name == "contextlib.suppress" and "Exception" in map(module.dotted, call.args):
            places.append(call)
    for node in places:
        finding = module.finding(node, "`Exception` caught without a comment on its line: why?")
        if not _reason(module.comments.get(finding.line, "")):
            yield finding


def ignores(module: Module) -> Iterator[Finding]:
    """A tool is switched off for a line only with the reason beside it."""
    for line, comment in module.comments.items():
        if _IGNORE.match(comment) and not _reason(comment):
            yield module.finding(line, "ignore without a reason: add `  # why` after it")


def tasks(module: Module) -> Iterator[Finding]:
    """Tasks start where their end is looked after: composition, engine, uplink."""
    if not module.under(*SHIPPED) or module.under("edge/app", "edge/engine", "uplink"):
        return
    for node in module.nodes:
        if isinstance(node, ast.Call):
            name = module.dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
            if name in {"create_task", "ensure_future"}:
                yield module.finding(node, f"`{name}` outside edge/app, edge/engine and uplink")


_CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
_READINGS = {f"time.{name}" for name in _CLOCKS} | {
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    "datetime.date.today",
}


def clock(module: Module) -> Iterator[Finding]:
    """All time comes from an injected clock; one file reads the real one."""
    if not module.under(*SHIPPED) or module.under("edge/app/clock.py"):
        return
    for node in module.nodes:
        if isinstance(node, ast.Name | ast.Attribute) and module.dotted(node) in _READINGS:
            yield module.finding(node, f"`{module.dotted(node)}` outside edge/app/clock.py")


_DURATION = re.compile(
    r"(?:^|_)(?:timeout|period|interval|delay|hold|latency|duration|keepalive|silence|turnaround"
    r"|backoff|age|ttl|debounce|grace|warmup|within|every)(?:_|$)"
)
_UNIT = re.compile(r"_(?:ns|us|ms|s|min|h|days|bytes|chars|ticks|samples|polls)$")


def duration_units(module: Module) -> Iterator[Finding]:
    """A numeric field that is a duration by its name has its unit in its name."""
    if not module.under("edge", "drivers", "uplink"):
        return
    for owner in module.nodes:
        if not isinstance(owner, ast.ClassDef) or not (owner.bases or owner.decorator_list):
            continue
        for field in owner.body:
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            name = field.target.id
            numeric = any(
                isinstance(part, ast.Name) and part.id in {"int", "float"}
                for part in ast.walk(field.annotation)
            )
            if numeric and _DURATION.search(name) and not _UNIT.search(name):
                yield module.finding(field, f"`{name}` is a duration without its unit in its name")


_BLOCKING = {"time.sleep", "os.system", "os.popen", "urllib.request.urlopen"} | {
    f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "getoutput")
}


def blocking(module: Module) -> Iterator[Finding]:
    """Nothing that ships waits in a blocking call."""
    if module.under("edge", "drivers", "uplink"):
        for call, name in module.called():
            if name in _BLOCKING:
                yield module.finding(call, f"`{name}` blocks the event loop")


def _public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def docstrings(module: Module) -> Iterator[Finding]:
    """Every module says what it is; in the pure packages every public name does."""
    if ast.get_docstring(module.tree) is None:
        yield module.finding(1, "module without a docstring")
    if module.under("protocols", "edge/core"):
        for node in _public(module.tree.body):
            overload = any(module.dotted(d).endswith("overload") for d in node.decorator_list)
            if not overload and ast.get_docstring(node) is None:
                yield module.finding(node, f"public `{node.name}` without a docstring")


def length(module: Module) -> Iterator[Finding]:
    """Files and functions stay readable in one sitting."""
    if not module.under(*SHIPPED, "tools"):
        return
    lines = len(module.source.splitlines())
    if lines > MAX_FILE_LINES and module.path not in ALLOWED_LENGTH:
        yield module.finding(1, f"{lines} lines, more than {MAX_FILE_LINES}")
    for node in module.nodes:
        if not isinstance(node, Function) or f"{module.path}::{node.name}" in ALLOWED_LENGTH:
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield module.finding(
                node, f"`{node.name}`: {lines} lines, more than {MAX_FUNCTION_LINES}"
            )


RULES: tuple[Rule, ...] = (
    cancellation,
    broad_except,
    ignores,
    tasks,
    clock,
    duration_units,
    blocking,
    docstrings,
    length,
)
