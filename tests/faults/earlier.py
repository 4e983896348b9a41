"""The code of the last commit whose database was another, as a tree of its own: what an upgrade finds running."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.project.tree import ROOT

MIGRATIONS = "*/migrations/*.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """`root` is a tree that runs."""

    root: Path
    commit: str
    new_migrations: frozenset[str]

    def __str__(self) -> str:
        return f"from {self.commit[:12]} by {', '.join(sorted(self.new_migrations))}"


def earlier_code(directory: Path, of: Path = ROOT) -> Earlier:
    """Raises LookupError, with what to do, where history has none: this code beside itself would show no upgrade."""
    for commit in _before_changes(of):
        added = _added_since(commit, of)
        if added:
            archive = subprocess.run(["git", "archive", commit], cwd=of, capture_output=True, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
                tree.extractall(directory, filter="data")
            return Earlier(root=directory, commit=commit, new_migrations=added)
    raise LookupError(_why_none(of))


def _why_none(of: Path) -> str:
    if not _git(of, "rev-parse", "HEAD"):
        return "no earlier schema: Git, or the history of this tree, is missing"
    if _git(of, "rev-parse", "--is-shallow-repository").strip() == "true":
        return "no earlier schema in this clone, which is shallow: git fetch --unshallow brings it"
    return "no earlier schema that migrates to this one: migrations that were there have been changed, or none is new"


def _before_changes(of: Path) -> list[str]:
    """HEAD, beside which changes may lie, and the parent of each commit that touched a migration; newest first."""
    said = _git(of, "log", "--format=%P", "--", MIGRATIONS)
    parents = [line.split()[0] for line in said.splitlines() if line]
    return ["HEAD", *parents] if _git(of, "rev-parse", "HEAD") else []


def _added_since(commit: str, of: Path) -> frozenset[str]:
    """Migrations that are new since. None where one that was there has been changed: nobody's database can follow."""
    said = _git(of, "diff", "--name-status", commit, "--", MIGRATIONS)
    changes = [line.split("\t") for line in said.splitlines()]
    changed = {name for kind, *names in changes for name in names if kind != "A"}
    if changed:
        return frozenset()
    return frozenset(name for kind, *names in changes for name in names if Path(name).stem != "__init__")


def _git(of: Path, *arguments: str) -> str:
    """Nothing where Git or its history is missing."""
    try:
        done = subprocess.run(["git", *arguments], cwd=of, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
