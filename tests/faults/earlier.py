"""The code of the last commit whose database was another, as a tree of its own: what an upgrade finds running."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.project.tree import ROOT, files

MIGRATIONS = "*/migrations/*.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """`root` is a tree that runs; `commit` is None where history does not reach back to another schema."""

    root: Path
    commit: str | None
    new_migrations: frozenset[str]

    def __str__(self) -> str:
        if self.commit is None:
            return (
                "this clone's history has no earlier schema (git fetch --unshallow brings it): the code of before is "
                "this very code, and only the change of processes is shown"
            )
        return f"from {self.commit[:12]} by {', '.join(sorted(self.new_migrations))}"


def earlier_code(directory: Path) -> Earlier:
    for commit in _before_changes():
        added = _added_since(commit)
        if added:
            archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
                tree.extractall(directory, filter="data")
            return Earlier(root=directory, commit=commit, new_migrations=added)
    _copy_ours(directory)
    return Earlier(root=directory, commit=None, new_migrations=frozenset())


def _before_changes() -> list[str]:
    """HEAD, beside which changes may lie, and the parent of each commit that touched a migration; newest first."""
    said = _git("log", "--format=%P", "--", MIGRATIONS)
    parents = [line.split()[0] for line in said.splitlines() if line]
    return ["HEAD", *parents] if _git("rev-parse", "HEAD") else []


def _added_since(commit: str) -> frozenset[str]:
    """Migrations that are new since. None where one that was there has been changed: nobody's database can follow."""
    changes = [line.split("\t") for line in _git("diff", "--name-status", commit, "--", MIGRATIONS).splitlines()]
    changed = {name for kind, *names in changes for name in names if kind != "A"}
    if changed:
        return frozenset()
    return frozenset(name for kind, *names in changes for name in names if Path(name).stem != "__init__")


def _copy_ours(directory: Path) -> None:
    for path in files():
        copy = directory / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def _git(*arguments: str) -> str:
    """Nothing where Git or its history is missing."""
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
