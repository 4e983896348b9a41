"""What yt-dlp knows by name, read from the list that it brings along."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from downloads import sites, ytdlp_versions

LIST = r"""
class LazyLoadExtractor(metaclass=LazyLoadMetaClass):
    _module = None
    _VALID_URL = None
    IE_DESC = None


class ExampleBaseIE(LazyLoadExtractor):
    _module = 'yt_dlp.extractor.example'
    IE_NAME = 'ExampleBase'


class ExampleIE(ExampleBaseIE):
    _module = 'yt_dlp.extractor.example'
    IE_NAME = 'example'
    _VALID_URL = 'https?://(?:www\\.)?(?:example\\.(?:com|org)|video\\.example\\.net)/watch\\.php'
    IE_DESC = 'Example: "films"'


class ExampleListIE(ExampleBaseIE):
    _module = 'yt_dlp.extractor.example'
    IE_NAME = 'example:playlist'
    _VALID_URL = ['https?://lists\\.example\\.net/(?P<id>[0-9]+)']
    _WORKING = False

    @classmethod
    def suitable(cls, url):
        return True


class GoneIE(LazyLoadExtractor):
    _module = 'yt_dlp.extractor.gone'
    IE_NAME = 'Gone'
    _VALID_URL = 'https?://gone\\.example/'
    _WORKING = False
    age_limit = 18


class GenericIE(LazyLoadExtractor):
    _module = 'yt_dlp.extractor.generic'
    IE_NAME = 'generic'
    _VALID_URL = '.*'
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A yt-dlp beside the installed one, which is the one that is used."""
    path = tmp_path / sites.LIST
    path.parent.mkdir(parents=True)
    path.write_text(LIST)
    monkeypatch.setattr(ytdlp_versions, "directory", lambda: tmp_path)
    return path


def test_reads_what_the_installed_one_knows_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another test may have loaded it: now whoever imports it fails.
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    found = {site.name: site for site in sites.known()}
    assert len(found) > 500
    assert "youtube.com" in found["youtube"].hosts
    assert ("youtube:playlist", "YouTube playlists") in found["youtube"].kinds


def test_a_site_is_what_a_module_reads_with_the_hosts_that_are_written_out(packages: Path) -> None:
    example, gone = sites.known()
    assert (example.name, example.is_broken, example.is_for_adults) == ("example", False, False)
    assert example.hosts == ("lists.example.net", "video.example.net")
    assert example.kinds == (("example", 'Example: "films"'), ("example:playlist", ""))
    assert (gone.name, gone.is_broken, gone.is_for_adults) == ("Gone", True, True)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["example"]),
        ("FILMS example", ["example"]),
        ("gone", ["Gone"]),
        ("https://www.gone.example/x?y=z", ["Gone"]),
        ("https://notgone.example/", []),
        ("films gone", []),
        ("example", ["example", "Gone"]),
    ],
)
def test_finds_by_words_hosts_and_links(packages: Path, text: str, names: list[str]) -> None:
    assert [site.name for site in sites.matching(text)] == names


def test_knows_nothing_where_there_is_no_list(packages: Path) -> None:
    packages.unlink()
    assert sites.known() == ()


def test_reads_again_what_has_changed(packages: Path) -> None:
    assert len(sites.known()) == 2
    packages.write_text("")
    assert sites.known() == ()
