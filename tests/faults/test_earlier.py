"""What full_upgrade.py upgrades from: found in the history, or said to be missing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.faults.earlier import earlier_code

FIRST, SECOND = "app/migrations/0001_initial.py", "app/migrations/0002_more.py"
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")


def git(place: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=place, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit(place: Path, **files: str) -> str:
    for name, text in files.items():
        path = place / {"first": FIRST, "second": SECOND}.get(name, f"{name}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message", "As it goes on")
    return git(place, "rev-parse", "HEAD")


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A first schema, and nothing else yet."""
    place = tmp_path / "history"
    place.mkdir()
    git(place, "init", "--quiet")
    commit(place, first="1", code="1")
    return place


def test_it_is_the_last_commit_before_the_last_migration(history: Path, tmp_path: Path) -> None:
    before = commit(history, code="2")
    commit(history, second="1", code="3")
    commit(history, code="4")
    found = earlier_code(tmp_path / "found", history)
    assert (found.commit, found.new_migrations) == (before, frozenset({SECOND}))
    assert (found.root / "code.py").read_text() == "2"
    assert not (found.root / SECOND).exists()


def test_a_migration_that_is_not_committed_yet_is_new_since_the_last_commit(history: Path, tmp_path: Path) -> None:
    (history / SECOND).write_text("1")
    git(history, "add", ".")
    found = earlier_code(tmp_path / "found", history)
    assert (found.commit, found.new_migrations) == ("HEAD", frozenset({SECOND}))


def test_a_shallow_clone_says_how_to_get_the_rest(history: Path, tmp_path: Path) -> None:
    commit(history, second="1")
    commit(history, code="2")
    git(tmp_path, "clone", "--quiet", "--depth=1", history.as_uri(), "shallow")
    with pytest.raises(LookupError, match="git fetch --unshallow"):
        earlier_code(tmp_path / "found", tmp_path / "shallow")


def test_a_schema_that_was_rewritten_has_nothing_before_it(history: Path, tmp_path: Path) -> None:
    commit(history, second="1")
    commit(history, first="another", second="another")
    with pytest.raises(LookupError, match="have been changed"):
        earlier_code(tmp_path / "found", history)


def test_a_tree_without_history_says_so(tmp_path: Path) -> None:
    place = tmp_path / "copy"
    place.mkdir()
    (place / ".git").write_text("gitdir: nowhere")
    with pytest.raises(LookupError, match="is missing"):
        earlier_code(tmp_path / "found", place)
