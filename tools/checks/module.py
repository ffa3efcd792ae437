"""A parsed source file, and what rules ask of it."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

SHIPPED = ("edge", "drivers", "protocols", "uplink")
PYTHON_FOLDERS = (*SHIPPED, "tools", "tests", "hil_tests")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. ``path`` is relative to the checkout, ``line`` counts from 1."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Module:
    """A source file by its path in the checkout. Raises SyntaxError if it is not Python."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    def under(self, *folders: str) -> bool:
        """Whether the file is, or lies under, one of these."""
        path = PurePosixPath(self.path)
        return any(path.is_relative_to(folder) for folder in folders)

    @cached_property
    def comments(self) -> dict[int, str]:
        """Comment text by line, without the number sign."""
        tokens = tokenize.generate_tokens(io.StringIO(self.source).readline)
        return {t.start[0]: t.string[1:].strip() for t in tokens if t.type == tokenize.COMMENT}

    @cached_property
    def _imported(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.partition(".")[0]
                    names[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return names

    def dotted(self, node: ast.AST | None) -> str:
        """The full name an expression has through this file's imports; empty if it is no name."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""

    def called(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call of a name, with the full name."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and (name := self.dotted(node.func)):
                yield node, name

    def finding(self, node: ast.AST | int, message: str) -> Finding:
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(self.path, line, message)
