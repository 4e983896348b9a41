"""What may import what: the engine no Django, the web process no yt-dlp, and nobody the wiring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.tree import PRODUCT, ROOT, dotted, imports, modules, shown

MAX_LINES = 400

ENGINE = modules("downloads/engine")
# The child's code, which runs in a fork of a process that has loaded yt-dlp.
CHILD = [path for path in ENGINE if imports(path, "yt_dlp", at_start=True)]

# Importers of the wiring outside it, each with its reason.
IMPORTERS_OF_WIRING = {
    "downloads/management/commands/up.py": "is the program that starts everything, static files included",
}


def names(paths: list[Path]) -> list[str]:
    return [shown(path) for path in paths]


def loaded_after(statements: str) -> set[str]:
    """The modules of a fresh process that has run `statements`."""
    script = f"{statements}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "mediadl.settings", "MEDIADL_TESTING": "1"},
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return set(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize("path", ENGINE, ids=shown)
def test_the_engine_imports_neither_django_nor_what_needs_it(path: Path) -> None:
    foreign = ("django", "rest_framework", "django_q", "structlog", "accounts", "mediadl")
    assert [package for package in foreign if imports(path, package)] == []


def test_the_engine_loads_without_django_and_its_outside_without_yt_dlp() -> None:
    outside = [dotted(path) for path in ENGINE if path not in CHILD and not reaches_the_child(path)]
    loaded = loaded_after(f"import {', '.join(outside)}")
    assert {"downloads.engine.supervisor", "downloads.engine.forkserver", "downloads.engine.guard"} <= loaded
    assert loaded & {"django", "yt_dlp", "curl_cffi"} == set()


def reaches_the_child(path: Path) -> bool:
    """Whether loading the module loads the child's code."""
    return any(imports(path, dotted(child), at_start=True) for child in CHILD)


def test_the_child_loads_without_django() -> None:
    loaded = loaded_after("import downloads.engine.child")
    assert "yt_dlp" in loaded
    assert loaded & {"django", "accounts", "downloads.models", "mediadl"} == set()


def test_only_the_engine_imports_yt_dlp() -> None:
    outside = [path for path in modules(*PRODUCT) if path not in ENGINE]
    assert names([path for path in outside if imports(path, "yt_dlp")]) == []


def test_the_web_process_does_not_load_yt_dlp() -> None:
    loaded = loaded_after(
        "import mediadl.asgi.wiring, mediadl.urls\n"
        "from django.urls import get_resolver\n"
        "assert get_resolver().url_patterns and get_resolver().reverse_dict"
    )
    assert {"accounts.views", "downloads.models"} <= loaded
    assert loaded & {"yt_dlp", "curl_cffi", "downloads.engine.child", "downloads.tasks"} == set()


def test_the_wiring_is_imported_by_no_app() -> None:
    apps = modules("accounts", "downloads", "webhooks")
    assert set(names([path for path in apps if imports(path, "mediadl")])) == IMPORTERS_OF_WIRING.keys()


def test_the_product_imports_no_tests() -> None:
    assert names([path for path in modules(*PRODUCT) if imports(path, "tests") or imports(path, "bench")]) == []


@pytest.mark.parametrize("name", ["services", "selectors", "utils", "helpers", "common", "mixins"])
def test_no_module_is_named_after_nothing(name: str) -> None:
    assert names([path for path in modules(*PRODUCT) if name in (path.stem, path.parent.name)]) == []


def test_no_module_has_two_subjects() -> None:
    everywhere = modules(*PRODUCT, "bench", "clients", "ops", "tests")
    lengths = {shown(path): len(path.read_text().splitlines()) for path in everywhere}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}
