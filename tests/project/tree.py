"""The project as the guards read it: its files, its modules, and what those import."""

from __future__ import annotations

import ast
import functools
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("accounts", "downloads", "mediadl", "webhooks")


def files() -> Iterator[Path]:
    """What belongs to the project: everything but what .gitignore names, and Git's own."""
    ignored = _ignored()
    for directory, names, file_names in os.walk(ROOT):
        here = Path(directory)
        names[:] = [name for name in names if not _is_ignored(here / name, ignored)]
        yield from (here / name for name in sorted(file_names) if not _is_ignored(here / name, ignored))


def texts() -> Iterator[tuple[Path, str]]:
    """The files that are text, with what they say."""
    for path in files():
        try:
            yield path, path.read_text()
        except UnicodeDecodeError:
            continue


def modules(*below: str) -> list[Path]:
    return sorted(path for name in below for path in (ROOT / name).rglob("*.py") if "migrations" not in path.parts)


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imported_names(path: Path, *, at_start: bool = False) -> set[str]:
    """Dotted names that a module imports, anywhere in it or, `at_start`, while it is loaded."""
    names: set[str] = set()
    for node in _loaded(parsed(path)) if at_start else ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imports(path: Path, package: str, *, at_start: bool = False) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for name in imported_names(path, at_start=at_start))


def dotted(path: Path) -> str:
    """The module's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _loaded(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run at import: no function bodies, and nothing that only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _loaded(child)


def _ignored() -> list[str]:
    lines = (ROOT / ".gitignore").read_text().splitlines()
    return [".git", *(line.rstrip("/") for line in lines if line and not line.startswith("#"))]


def _is_ignored(path: Path, patterns: list[str]) -> bool:
    """The few forms that our .gitignore uses: a name anywhere, or a path from the root."""
    return any(
        fnmatch(f"/{shown(path)}", pattern) if pattern.startswith("/") else fnmatch(path.name, pattern)
        for pattern in patterns
    )
