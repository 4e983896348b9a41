from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from pytest_django import Settings

from mediadl.static import collect_when_changed

STYLE = "body { color: black }\n" * 50


@pytest.fixture
def source(tmp_path: Path, settings: Settings) -> Path:
    """A directory of static files; they are collected into `collected`."""
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "page.css").write_text(STYLE)
    settings.STATICFILES_DIRS = [directory]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "mediadl.static.StaticStorage"}}
    settings.DEBUG = False
    return directory


@pytest.fixture
def collected(source: Path, tmp_path: Path) -> Path:
    collect_when_changed()
    return tmp_path / "collected"


def is_collected_again(collected: Path) -> bool:
    """Collecting clears the directory first, so that a file of nobody's tells."""
    mark = collected / "mark.txt"
    mark.touch()
    collect_when_changed()
    return not mark.exists()


def served(collected: Path) -> str:
    """What the page's address leads to."""
    return (collected / Path(staticfiles_storage.url("page.css")).name).read_text()


def test_files_are_served_under_names_that_change_with_them(collected: Path, source: Path) -> None:
    before = staticfiles_storage.url("page.css")
    assert served(collected) == STYLE
    (source / "page.css").write_text("body { color: white }\n")
    collect_when_changed()
    assert staticfiles_storage.url("page.css") != before
    assert served(collected) == "body { color: white }\n"


def test_files_are_compressed_by_gzip_alone(collected: Path) -> None:
    [compressed] = collected.glob("*.gz")
    assert gzip.decompress(compressed.read_bytes()).decode() == STYLE
    assert list(collected.rglob("*.br")) == []


def test_what_has_not_changed_is_collected_once(collected: Path) -> None:
    assert not is_collected_again(collected)


def test_a_changed_file_is_collected_again(collected: Path, source: Path) -> None:
    facts = (source / "page.css").stat()
    (source / "page.css").write_text(STYLE.replace("black", "white"))
    os.utime(source / "page.css", ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert is_collected_again(collected)
    assert "white" in served(collected)


def test_a_new_file_and_a_removed_one_are_noticed(collected: Path, source: Path) -> None:
    (source / "new.css").write_text("a { color: red }")
    assert is_collected_again(collected)
    (source / "new.css").unlink()
    assert is_collected_again(collected)
    assert not is_collected_again(collected)


def test_an_interrupted_collection_is_repeated(collected: Path) -> None:
    (collected / ".made-from").unlink()
    assert is_collected_again(collected)
