"""Make, requirements, and what the tree must not say."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.project.tree import ROOT, shown, texts

MAKEFILE = (ROOT / "Makefile").read_text()
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))

# Written so that this file does not name them either.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("npmjs", "com"),
        ("proxy", "golang", "org"),
        ("static", "crates", "io"),
        ("deb", "debian", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
    )
)


def rules() -> set[str]:
    """Targets with a recipe that are no files."""
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def parts() -> set[str]:
    """Half of another target, and named after it (`test-sqlite`): not for the reader of the help."""
    return {name for name in rules() if any(name.startswith(f"{whole}-") for whole in rules())}


def test_the_help_lists_every_target() -> None:
    said = subprocess.run(["make", "-s", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    listed = {line.split()[0] for line in said.splitlines()}
    assert rules() - parts() == listed


def test_targets_that_are_no_files_are_phony() -> None:
    declared = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert declared is not None
    assert rules() - set(declared[1].split()) == set()


@pytest.mark.parametrize("path", REQUIREMENTS, ids=shown)
def test_requirements_are_pinned_by_hash_and_name_no_host(path: Path) -> None:
    text = path.read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip())
    loose = [entry.split()[0] for entry in entries if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", entry)]
    unhashed = [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry]
    assert len(entries) > 10
    assert (loose, unhashed) == ([], [])
    assert "://" not in text


def test_there_are_requirements_for_running_and_for_each_other_purpose() -> None:
    assert [path.stem for path in REQUIREMENTS] == [
        "requirements-bench",
        "requirements-dev",
        "requirements-docs",
        "requirements",
    ]


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = {f"requirements-{group}.txt": asked for group, asked in project["dependency-groups"].items()}
    wanted = groups | {"requirements.txt": project["project"]["dependencies"]}
    missing = {name: names(asked) - names((ROOT / name).read_text().splitlines()) for name, asked in wanted.items()}
    assert missing == {path.name: set() for path in REQUIREMENTS}


def names(requirements: list[str]) -> set[str]:
    """The packages that these lines ask for, as the index spells them."""
    found = (re.match(r"[A-Za-z0-9][\w.-]*", line) for line in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def test_no_file_names_the_host_of_a_package_registry() -> None:
    found = {shown(path): host for path, text in texts() for host in REGISTRY_HOSTS if host in text}
    assert found == {}
