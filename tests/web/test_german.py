"""The main pages in German: what they say differs from what they say in English, and nothing is left over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import polib
import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.db.models import Model
from django.test import Client, RequestFactory
from django.utils import translation

from accounts.models import ApiKey, Scope, User
from downloads.models import Job, JobEvent, Node
from downloads.web import moments, tags
from tests.factories import BatchFactory, JobFactory, MediaFileFactory
from tests.web.conftest import signed_in

# Of people, programs and files, and what both languages call the same.
SHARED = re.compile(
    r"ffmpeg version .*|Cookies|Downloads|Webhooks|Name|Links?|Admin|Info|Format|Audio|Normal|English|Deutsch|mediadl.*"
)
PAGES = (
    "/",
    "/library",
    "/library?q=nothing-like-it",
    "/library?status=failed",
    "/batches",
    "/presets",
    "/presets/new",
    "/cookies",
    "/help",
    "/sites",
    "/sites?q=nothing-like-it",
    "/offline",
    "/docs/errors",
    "/nowhere",
    "/accounts/",
    "/accounts/close/",
    "/accounts/password/",
    "/accounts/people/",
    "/accounts/usage/",
    "/accounts/keys/",
    "/webhooks/",
    "/admin/",
    "/admin/queue/",
    "/admin/storage/",
    "/admin/system/",
)
OURS = frozenset({"accounts", "downloads", "webhooks"})
# Of Django's own catalogue.
DJANGOS = frozenset({"Letzte Anmeldung", "Gruppen", "Berechtigungen", "Administrator-Status", "Passwort"})
CATALOGUE = str(settings.BASE_DIR / "locale" / "de" / "LC_MESSAGES" / "django.po")
# The operator's lists, and what of them is shown of one.
LISTS = (
    "downloads/job",
    "downloads/batch",
    "downloads/mediafile",
    "downloads/link",
    "downloads/jobevent",
    "downloads/joblog",
    "downloads/cookiejar",
    "downloads/downloaded",
    "downloads/node",
    "accounts/user",
    "accounts/apikey",
    "webhooks/endpoint",
    "webhooks/delivery",
    "admin/logentry",
)


class Reader(HTMLParser):
    """The texts of a page, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in {"script", "pre", "code"}
        said = dict(attrs)
        self.said += [text for name in ("aria-label", "title", "placeholder") if (text := said.get(name))]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"script", "pre", "code"}

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.said.append(" ".join(data.split()))


def texts(client: Client, path: str, language: str) -> set[str]:
    reader = Reader()
    reader.feed(client.get(path, headers={"Accept-Language": language}).text)
    return set(reader.said)


@pytest.fixture
def reader(operator: User) -> Client:
    """Of somebody who has one of everything."""
    batch = BatchFactory(owner=operator, title="B-1")
    JobFactory(owner=operator, running=True, title="J-1", batch=batch, playlist_index=1)
    JobFactory(owner=operator, title="J-2")
    failed = JobFactory(owner=operator, title="J-3", broken=True)
    JobEvent.objects.append(failed, "failed")
    MediaFileFactory(job=JobFactory(owner=operator, finished=True, title="J-4"), is_main=True, filename="F-1")
    ApiKey.objects.issue(operator, "K-1", [Scope.READ])
    Node.objects.pulse("node-1", slots=4)
    return signed_in(operator)


def left_over(client: Client, path: str) -> list[str]:
    """What reads the same in both languages, and has words."""
    same = texts(client, path, "de") & texts(client, path, "en")
    return sorted(text for text in same if re.search(r"[A-Za-z]{3,} [A-Za-z]{2,}", text) and not SHARED.fullmatch(text))


@pytest.mark.parametrize("path", PAGES)
def test_no_sentence_of_a_page_is_left_in_english(reader: Client, path: str) -> None:
    assert left_over(reader, path) == []


def test_no_sentence_of_signing_in_is_left_in_english(db: None) -> None:
    assert left_over(Client(), "/accounts/sign-in/") == []


def test_no_sentence_of_a_job_is_left_in_english(reader: Client) -> None:
    for job in Job.objects.all():
        assert left_over(reader, f"/jobs/{job.pk}") == [], job.status


@pytest.mark.parametrize("name", LISTS)
def test_no_name_of_a_list_is_left_in_english(reader: Client, name: str) -> None:
    path = f"/admin/{name}/"
    assert left_over(reader, path) == []
    assert left_over(reader, f"{path}?q=nothing-like-it") == []


@pytest.mark.parametrize("model", [model for model in admin.site._registry if model.__module__.split(".")[0] in OURS])
def test_every_column_and_field_of_the_admin_is_in_the_catalogue(model: type[Model], operator: User) -> None:
    site = admin.site._registry[model]
    request = RequestFactory().get("/")
    request.user = operator
    names = {*site.get_list_display(request), *flatten_fieldsets(site.get_fieldsets(request, model()))}
    with translation.override("de"):
        german = {str(label_for_field(name, model, site)) for name in names}
        german |= {str(model._meta.verbose_name), str(model._meta.verbose_name_plural)}
    known = {entry.msgstr for entry in polib.pofile(CATALOGUE)}
    assert german - known <= DJANGOS


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "Link einfügen, Datei behalten"),
        ("/", "In Arbeit"),
        ("/library", "Bibliothek"),
        ("/library", "Fehlgeschlagen"),
        ("/accounts/usage/", "Verbrauch"),
        ("/accounts/keys/", "Neuer Schlüssel"),
    ],
)
def test_says_it_in_german(reader: Client, path: str, said: str) -> None:
    assert said in texts(reader, path, "de")


def test_numbers_and_dates_are_written_as_germans_write_them() -> None:
    with translation.override("de"):
        assert tags.size(4_249_999) == "4,2 MB"
        assert tags.size(999) == "999 B"
        assert tags.exact_words(datetime(2026, 3, 1, 9, 5, tzinfo=UTC)) == "01.03.2026 09:05 UTC"
        assert moments.relative(timedelta(seconds=-300)) == "vor 5 Min."
    assert tags.exact_words(datetime(2026, 3, 1, 9, 5, tzinfo=UTC)) == "2026-03-01 09:05 UTC"


def test_machines_read_numbers_as_before(reader: Client) -> None:
    """Bars, sizes and dates in attributes are no text."""
    for path in (*PAGES, "/admin/queue/", "/admin/storage/"):
        page = reader.get(path, headers={"Accept-Language": "de"}).text
        assert not re.search(r'\b(?:value|max|min|width|height|x|y|datetime)="\d+,\d', page), path


def test_addresses_people_in_one_way() -> None:
    catalogue = polib.pofile(CATALOGUE)
    said = [text for entry in catalogue for text in (entry.msgstr, *entry.msgstr_plural.values())]
    informal = re.compile(r"\b(?:[Dd]u|[Dd]ich|[Dd]ir|[Dd]eine?[mnrs]?)\b")
    assert [text for text in said if informal.search(text)] == [], "Sie, Ihr, Ihnen"
