"""The whole state of a decider as plain values, and back. Pure.

A state is a list of nodes that refer to each other by number; every node is plain values (text,
numbers, lists), so that it can be kept as CBOR. Reading one runs no code of its own: objects are
made without their constructors and only of classes of the pure modules below, whose functions
compute and nothing else. It fits the version of the program that wrote it.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import FunctionType, MethodType
from typing import Any, Final, TypeAlias

from protocols.malformed import Malformed

Plain: TypeAlias = bool | int | float | str | bytes | list["Plain"] | None

_PURE: Final = (
    "edge.core.instant",
    "edge.core.model",
    "edge.core.units",
    "edge.engine.alarm_metrics",
    "edge.engine.alarms",
    "edge.engine.annunciator",
    "edge.engine.chatter",
    "edge.engine.conditions",
    "edge.engine.decider",
    "edge.engine.inhibit",
    "edge.engine.quality",
    "edge.engine.silence",
)
_INT_BITS: Final = 63
_DEEPEST: Final = 8
"""Tuples inside one another that stand in a node; deeper ones become nodes of their own."""


class Unplain(TypeError):
    """Something in a state that cannot be kept: a bug, found by the tests."""


def capture(root: object, named: Mapping[str, object]) -> list[Plain]:
    """The state of an object and all it refers to; the first node is the object itself.

    ``named``: what is not kept but given again by name when it is revived, such as functions of
    the calendar. Raises Unplain.
    """
    return _Capture(named).nodes(root)


def revive(nodes: Sequence[Plain], named: Mapping[str, object]) -> Any:
    """The object that was captured. Raises Malformed."""
    try:
        return _Revival(nodes, named).root()
    except (LookupError, TypeError, ValueError, AttributeError, ImportError, RecursionError) as why:
        raise Malformed(f"a state that cannot be revived: {why!r}") from why


class _Capture:
    def __init__(self, named: Mapping[str, object]) -> None:
        self._named = {id(each): name for name, each in named.items()}
        self._numbers: dict[int, int] = {}
        self._queue: list[object] = []

    def nodes(self, root: object) -> list[Plain]:
        self._refer(root)
        found: list[Plain] = []
        while len(found) < len(self._queue):
            found.append(self._node(self._queue[len(found)]))
        return found

    def _refer(self, item: object) -> list[Plain]:
        number = self._numbers.get(id(item))
        if number is None:
            number = self._numbers[id(item)] = len(self._queue)
            # the queue also keeps it alive, so that its id stays its own
            self._queue.append(item)
        return [number]

    def _value(self, item: object, depth: int = 0) -> Plain:
        if item is None or isinstance(item, bool):
            return item
        if isinstance(item, Enum):
            return ["enum", _class_name(type(item)), item.name]
        kind = type(item)
        if kind is int:
            return _integer(int(item))  # type: ignore[call-overload] # its very type was looked at
        if isinstance(item, str | bytes | float) and kind in (str, bytes, float):
            return item
        if id(item) in self._named:
            return ["named", self._named[id(item)]]
        if kind is tuple and depth < _DEEPEST:
            return ["tuple", *(self._value(each, depth + 1) for each in item)]  # type: ignore[attr-defined] # same
        return self._refer(item)

    def _node(self, item: Any) -> Plain:
        values = self._values
        match item:
            case MethodType():
                return ["method", self._value(item.__self__), item.__func__.__name__]
            case FunctionType():
                return ["function", _module_name(item.__module__), item.__qualname__]
            case type():
                return ["class", _class_name(item)]
            case dict() if type(item) is dict:
                return ["dict", values(item.keys()), values(item.values())]
            case deque():
                return ["deque", item.maxlen, values(item)]
            case set() | frozenset() if type(item).__module__ == "builtins":
                # their own order differs from process to process
                return [type(item).__name__, sorted(values(item), key=repr)]
            case list() | tuple() if type(item).__module__ == "builtins":
                return [type(item).__name__, values(item)]
        names = _attributes(item)
        held = [(name, getattr(item, name)) for name in names if hasattr(item, name)]
        found: list[Plain] = [name for name, _ in held]
        return ["object", _class_name(type(item)), found, values(each for _, each in held)]

    def _values(self, items: Any) -> list[Plain]:
        return [self._value(each) for each in items]


def _integer(item: int) -> Plain:
    return item if item.bit_length() <= _INT_BITS else ["int", f"{item:x}"]


def _attributes(item: object) -> list[str]:
    """Where an object keeps its state."""
    names: list[str] = []
    for each in type(item).__mro__:
        slots = each.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    names += list(getattr(item, "__dict__", ()))
    return [name for name in dict.fromkeys(names) if name not in ("__weakref__", "__dict__")]


def _module_name(module: str) -> str:
    if not any(module == pure or module.startswith(f"{pure}.") for pure in _PURE):
        raise Unplain(f"{module} is no module whose state can be kept")
    return module


def _class_name(kind: type) -> str:
    return f"{_module_name(kind.__module__)}:{kind.__qualname__}"


class _Revival:
    """Immutable things are made whole at once, all others empty and filled when all are there."""

    def __init__(self, nodes: Sequence[Plain], named: Mapping[str, object]) -> None:
        self._nodes = nodes
        self._named = named
        self._made: dict[int, Any] = {}
        self._to_fill: list[tuple[Any, list[Any]]] = []
        self._to_key: list[tuple[Any, list[Any]]] = []

    def root(self) -> Any:
        root = self._item(0)
        while self._to_fill or self._to_key:
            while self._to_fill:
                self._fill(*self._to_fill.pop())
            # keys must be whole before they are hashed; values may bring more to fill
            keyed, self._to_key = self._to_key, []
            ready = [(made, [self._values(part) for part in node[1:]]) for made, node in keyed]
            while self._to_fill:
                self._fill(*self._to_fill.pop())
            for made, parts in ready:
                made.update(zip(*parts, strict=True) if isinstance(made, dict) else parts[0])
        return root

    def _item(self, number: int) -> Any:
        if number not in self._made:
            if number < 0:
                raise ValueError("a negative number of a node")
            made = self._make(number, list(self._nodes[number]))  # type: ignore[arg-type] # or TypeError
            self._made[number] = made
        return self._made[number]

    def _make(self, number: int, node: list[Any]) -> Any:
        kind = node[0]
        if kind in ("tuple", "frozenset"):
            whole = (self._value(each) for each in node[1])
            return tuple(whole) if kind == "tuple" else frozenset(whole)
        if kind in ("method", "function", "class"):
            return self._callable(node)
        if kind == "object":
            return self._object(number, node)
        if kind in ("dict", "set"):
            keyed: dict[Any, Any] | set[Any] = {} if kind == "dict" else set()
            self._to_key.append((keyed, node))
            return keyed
        made: Any = []
        if kind == "deque":
            made = deque(maxlen=node[1])
        elif kind != "list":
            raise ValueError(f"a node of kind {kind!r}")
        self._to_fill.append((made, node))
        return made

    def _object(self, number: int, node: list[Any]) -> Any:
        kind = _class(node[1])
        made: Any = object.__new__(kind)
        if is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined] # of dataclasses
            if {each.name for each in fields(kind)} != set(node[2]):
                raise ValueError(f"other fields of {node[1]}")
            self._set(made, node)
            return made
        self._made[number] = made
        self._to_fill.append((made, node))
        return made

    def _fill(self, made: Any, node: list[Any]) -> None:
        if node[0] == "object":
            self._set(made, node)
        else:
            made.extend(self._value(each) for each in node[-1])

    def _set(self, made: Any, node: list[Any]) -> None:
        for name, value in zip(node[2], node[3], strict=True):
            if not isinstance(name, str) or name.startswith("__"):
                raise ValueError(f"an attribute {name!r}")
            object.__setattr__(made, name, self._value(value))

    def _callable(self, node: list[Any]) -> Any:
        if node[0] == "class":
            return _class(node[1])
        if node[0] == "method":
            owner = self._value(node[1])
            function = getattr(type(owner), node[2])
            _module_name(type(owner).__module__)
            if not isinstance(function, FunctionType):
                raise ValueError(f"no method {node[2]!r}")
            return MethodType(function, owner)
        function = _found(node[1], node[2])
        if not isinstance(function, FunctionType) or function.__module__ != node[1]:
            raise ValueError(f"no function {node[2]!r}")
        return function

    def _values(self, items: list[Any]) -> list[Any]:
        return [self._value(each) for each in items]

    def _value(self, item: Any) -> Any:
        if not isinstance(item, list):
            return item
        match item:
            case [int(number)]:
                return self._item(number)
            case ["enum", str(name), str(member)]:
                return _class(name)[member]  # type: ignore[index] # an enumeration, or TypeError
            case ["int", str(digits)]:
                return int(digits, 16)
            case ["named", str(name)]:
                return self._named[name]
            case ["tuple", *items]:
                return tuple(self._value(each) for each in items)
        raise ValueError("a value of no known kind")


def _found(module: str, name: str) -> Any:
    found: Any = importlib.import_module(_module_name(module))
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _class(name: str) -> type:
    module, _, qualified = name.partition(":")
    found = _found(module, qualified)
    if not isinstance(found, type) or found.__module__ != module:
        raise ValueError(f"no class {name!r}")
    return found
