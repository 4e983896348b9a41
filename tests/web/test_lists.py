"""A playlist or channel to choose from."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from downloads import cookies, expansion
from downloads.engine.errors import ErrorCode, JobError
from downloads.models import Batch, Job, Probe, ProbeKind
from downloads.probing import ask
from downloads.selection import Selection
from tests.web.conftest import signed_in
from tests.web.test_home import FORM, HTMX

LIST = "https://video.example/list?id=1"
OPTIONS = {name: value for name, value in FORM.items() if name != "urls"}


def entry(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "title": f"Walk {number}",
        "url": f"https://video.example/watch?v={number}",
        "duration": 60.0 * number,
        "thumbnail": f"https://pictures.example/{number}.jpg",
        "uploader": "Ada",
        "upload_date": f"202601{number % 28 + 1:02d}",
        "view_count": 1000 - number,
        "extractor": "Video",
        "playlist_index": number,
        **fields,
    }


def found(count: int = 250, **fields: Any) -> dict[str, Any]:
    about = dict.fromkeys(
        ("id", "description", "uploader", "uploader_url", "channel_id", "channel_url", "thumbnail", "subscriber_count")
    )
    items = [entry(number) for number in range(1, count + 1)]
    return {
        **about,
        "title": "Walks",
        "url": LIST,
        "extractor": "video",
        "count": count,
        "items": items,
        "truncated": False,
    } | fields


def read_list(user: User, **fields: Any) -> Probe:
    probe = ask(user, ProbeKind.LIST, LIST)
    probe.start("node-1/1/1")
    probe.complete(found(**fields))
    return probe


@pytest.fixture
def probe(user: User) -> Probe:
    return read_list(user)


@pytest.fixture
def path(probe: Probe) -> str:
    return f"/lists/{probe.pk}"


def shown(answer: Any) -> list[int]:
    return [row.entry["playlist_index"] for row in answer.context["page"].rows]


def chosen() -> list[int | None]:
    batch = Batch.objects.get()
    expansion.expand(batch)
    return list(batch.jobs.order_by("playlist_index").values_list("playlist_index", flat=True))


# --- Reading it -------------------------------------------------------------------------------------------------


def test_says_how_long_and_about_how_large_all_that_was_found_is(page: Client, user: User) -> None:
    probe = read_list(user, items=[entry(1), entry(2), entry(3, duration=None)])
    text = page.get(f"/lists/{probe.pk}").text
    assert "all 3 that were found. All: 3:00 long, about 101 MB. Of unknown length: 1." in text
    assert "All: 1:00 long" in page.get(f"/lists/{probe.pk}", {"max_minutes": "1"}).text


def test_a_list_is_read_by_the_probe_lane_and_waited_for(page: Client, user: User) -> None:
    media = ask(user, ProbeKind.MEDIA, LIST)
    answer = page.post("/lists", {"probe": str(media.pk)}, follow=True)
    probe = Probe.objects.get(kind=ProbeKind.LIST)
    assert (probe.owner, probe.url) == (user, LIST)
    assert answer.redirect_chain == [(f"/lists/{probe.pk}", 302)]
    assert "Reading the list" in answer.text
    probe.start("node-1/1/1")
    probe.complete(found(3))
    assert page.get(f"/lists/{probe.pk}?wait=1", headers=HTMX)["HX-Redirect"] == f"/lists/{probe.pk}"
    assert "3 entries" in page.get(f"/lists/{probe.pk}").text


def test_a_list_is_read_with_the_cookies_that_its_page_was_looked_at_with(page: Client, user: User) -> None:
    jar = cookies.store(user, ".video.example\tTRUE\t/\tTRUE\t4102444800\tsession\tvalue\n")
    media = ask(user, ProbeKind.MEDIA, LIST, jar)
    page.post("/lists", {"probe": str(media.pk)})
    probe = Probe.objects.get(kind=ProbeKind.LIST)
    assert probe.cookies == jar
    probe.start("node-1/1/1")
    probe.complete(found(3))
    assert page.get(f"/lists/{probe.pk}").context["form"]["cookies_id"].value() == str(jar.pk)


@pytest.mark.parametrize("sent", [{}, {"url": "no link"}, {"probe": "\x00", "url": "ftp://x.example/"}])
def test_what_is_no_link_is_not_read(page: Client, sent: dict[str, str]) -> None:
    assert page.post("/lists", sent, follow=True).redirect_chain == [("/", 302)]
    assert not Probe.objects.exists()


def test_says_why_a_list_could_not_be_read(page: Client, user: User) -> None:
    probe = ask(user, ProbeKind.LIST, LIST)
    probe.start("node-1/1/1")
    probe.fail(JobError(ErrorCode.UNSUPPORTED_URL, "There is a single item at this URL, and no list"))
    assert "There is a single item at this URL" in page.get(f"/lists/{probe.pk}").text
    assert page.post(f"/lists/{probe.pk}", OPTIONS).status_code == 404


def test_a_list_is_its_owners_alone(page: Client, path: str, other: User) -> None:
    assert signed_in(other).get(path).status_code == 404
    assert signed_in(other).post(path, OPTIONS | {"items": "1"}).status_code == 404
    assert Client().get(path).status_code == 302
    assert not Batch.objects.exists()


# --- Showing it -------------------------------------------------------------------------------------------------


def test_shows_a_hundred_at_a_time(page: Client, path: str) -> None:
    assert shown(page.get(path)) == list(range(1, 101))
    assert shown(page.get(path, {"page": 3})) == list(range(201, 251))
    assert shown(page.get(path, {"page": 2})) == list(range(101, 201))
    for nonsense in ("0", "9999999999", "x", "-1", "٣"):
        assert page.get(path, {"page": nonsense}).status_code == 200


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ({"q": "walk 17"}, [17, 117, 170]),
        ({"q": "  ADA 249 "}, [249]),
        ({"sort": "duration"}, [250, 249, 248]),
        ({"sort": "view_count"}, [1, 2, 3]),
        ({"min_minutes": "100", "max_minutes": "102"}, [100, 101, 102]),
        ({"after": "2026-01-02", "before": "2026-01-02"}, [1, 29, 57]),
        ({"q": "nothing like it"}, []),
        ({"sort": "nonsense", "min_minutes": "many", "after": "soon"}, [1, 2, 3]),
    ],
)
def test_searches_filters_and_sorts(page: Client, path: str, query: dict[str, str], first: list[int]) -> None:
    answer = page.get(path, query)
    assert answer.status_code == 200
    assert shown(answer)[:3] == first


def test_later_pages_keep_the_search(page: Client, path: str) -> None:
    answer = page.get(path, {"sort": "duration", "q": "walk"})
    following = answer.context["page"].following
    assert following in answer.text.replace("&amp;", "&")
    assert shown(page.get(following))[0] == 150


def test_pictures_come_by_way_of_the_server(page: Client, path: str) -> None:
    text = page.get(path).text
    assert "/thumbnail?of=https%3A%2F%2Fpictures.example%2F1.jpg" in text
    assert 'src="https://pictures' not in text


def test_words_of_a_site_are_words(page: Client, user: User) -> None:
    probe = read_list(user, items=[entry(1, title="<script>x</script>", uploader="<b>", upload_date="20269999")])
    answer = page.get(f"/lists/{probe.pk}")
    assert answer.status_code == 200
    assert "<script>x" not in answer.text


def test_five_thousand_entries_cost_a_page_little(
    page: Client, user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    probe = read_list(user, count=5000)
    page.get("/")
    with django_assert_max_num_queries(10):
        answer = page.get(f"/lists/{probe.pk}?page=50&sort=title")
    assert len(shown(answer)) == 100
    assert len(answer.content) < 300_000


# --- Choosing from it -------------------------------------------------------------------------------------------


def test_downloads_what_a_script_names(page: Client, path: str) -> None:
    answer = page.post(path, OPTIONS | {"items": "1-2, 240-", "quality": "720p"})
    batch = Batch.objects.get()
    assert answer["Location"] == f"/batches/{batch.pk}"
    assert (batch.url, batch.options["quality"], batch.kind) == (LIST, "720p", "playlist")
    assert chosen() == [1, 2, *range(240, 251)]
    assert page.get("/").context["form"]["quality"].value() == "720p"


def test_downloads_what_is_ticked(page: Client, path: str) -> None:
    page.post(path, OPTIONS | {"entry": ["3", "5", "9999", "x"]})
    assert chosen() == [3, 5]


@pytest.mark.parametrize("items", ["1, 3-4, 249-", " 1 3 - 4\n249- ", "1,3,4,249-999"])
def test_downloads_what_is_named_beside_what_is_ticked(page: Client, path: str, items: str) -> None:
    page.post(path, OPTIONS | {"items": items, "entry": ["3", "7"]})
    assert chosen() == [1, 3, 4, 7, 249, 250]


def test_a_refused_choice_comes_back_with_its_numbers(page: Client, path: str) -> None:
    answer = page.post(path, OPTIONS | {"items": "1, 5-3"})
    assert answer.status_code == 422
    assert 'name="items" form="selection" value="1, 5-3"' in answer.text


def test_downloads_all_that_is_found(page: Client, path: str) -> None:
    page.post(f"{path}?q=walk+17", OPTIONS | {"all": "1", "entry": ["1"]})
    assert chosen() == [17, 117, *range(170, 180), 217]


def test_a_scattered_choice_of_thousands_is_taken(page: Client, user: User) -> None:
    probe = read_list(user, count=5000)
    wanted = list(range(1, 5001, 2))
    page.post(f"/lists/{probe.pk}", OPTIONS | {"items": ",".join(map(str, wanted))})
    batch = Batch.objects.get()
    assert Selection.from_json(batch.selection).plan(found(5000)["items"], is_truncated=False)[-1]["id"] == ("e4999")


def test_leaves_out_what_was_downloaded_before_when_asked(page: Client, path: str) -> None:
    page.post(path, OPTIONS | {"items": "1", "skip_downloaded": "on"})
    assert Batch.objects.get().selection["skips_downloaded"] is True


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Choose something first."),
        ({"items": "999-1000"}, "Choose something first."),
        ({"items": "5-1"}, "Write numbers and ranges"),
        ({"items": "some"}, "Write numbers and ranges"),
        ({"items": "1," * 60_000 + "1"}, "Write numbers and ranges"),
        ({"items": "1", "quality": "none"}, "Select a valid choice"),
        ({"items": "1", "cookies_id": "x"}, "Select a valid choice"),
    ],
)
def test_a_choice_that_cannot_be_used_is_refused(page: Client, path: str, sent: dict[str, str], said: str) -> None:
    answer = page.post(path, OPTIONS | sent)
    assert answer.status_code == 422
    assert said in str(answer.context["form"].errors)
    assert not Batch.objects.exists()


def test_says_what_the_batch_was_refused_for(page: Client, path: str, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["video.example"]
    answer = page.post(path, OPTIONS | {"items": "1"})
    assert (answer.status_code, "does not allow" in answer.text) == (422, True)


def test_what_is_downloaded_is_what_was_shown_however_the_list_has_changed_since(
    page: Client, probe: Probe, path: str, user: User
) -> None:
    Probe.objects.update(expires_at=timezone.now())
    ask(user, ProbeKind.LIST, LIST)
    page.post(path, OPTIONS | {"items": "7"})
    assert Batch.objects.get().probe == probe
    assert chosen() == [7]
    assert Job.objects.get().url.endswith("v=7")


def test_a_list_that_was_forgotten_is_read_again(page: Client, probe: Probe, path: str) -> None:
    probe.delete()
    answer = page.post(path, OPTIONS | {"items": "1", "url": LIST}, follow=True)
    assert "The list is read again" in answer.text
    assert Probe.objects.get().url == LIST
    assert not Batch.objects.exists()
