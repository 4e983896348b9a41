"""The variables of the environment, as the settings read them and as the documents list them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.project.tree import ROOT, parsed

SETTINGS = ROOT / "mediadl" / "settings.py"
REFERENCE = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / ".env.example"

# Set by the product for its own processes and tests; one paragraph of the reference names them.
INTERNAL = frozenset({"ENGINE_SOCKET", "MEDIADL_CRASH_AT", "MEDIADL_TESTING", "Q_CLUSTER_NAME"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """`default` as it would be written in the environment; None where the settings work it out."""

    name: str
    default: str | None


def read_by_settings() -> dict[str, Variable]:
    """By name, every variable of an `env.…` call and of `"NAME" in os.environ`."""
    return {variable.name: variable for variable in _reads() if variable.name not in INTERNAL}


def documented() -> dict[str, str]:
    """Name → default, from the rows of the reference's tables."""
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| (.+?) \|", REFERENCE.read_text(), re.MULTILINE)
    return _unique(rows)


def exemplified() -> dict[str, str]:
    """Name → default, from the commented lines of .env.example."""
    return _unique(re.findall(r"^#([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def _reads() -> Iterator[Variable]:
    for node in ast.walk(parsed(SETTINGS)):
        if isinstance(node, ast.Call) and re.fullmatch(r"env\.\w+", ast.unparse(node.func)) and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant):
                yield Variable(name=str(name.value), default=_default(node))
        elif isinstance(node, ast.Compare) and "os.environ" in map(ast.unparse, node.comparators):
            yield Variable(name=ast.literal_eval(node.left), default=None)


def _default(call: ast.Call) -> str | None:
    """As written in the environment; None when it is empty or depends on something else."""
    given = call.args[1:2] or [keyword.value for keyword in call.keywords if keyword.arg == "default"]
    if not given or any(isinstance(node, ast.Name | ast.JoinedStr) for node in ast.walk(given[0])):
        return None
    value: Any = eval(compile(ast.Expression(given[0]), str(SETTINGS), "eval"), {"__builtins__": {}})
    return None if value in ("", []) else _written(value)


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _unique(rows: list[tuple[str, str]]) -> dict[str, str]:
    names = [name for name, _ in rows]
    assert len(names) == len(set(names)), f"named twice: {sorted({name for name in names if names.count(name) > 1})}"
    return dict(rows)
