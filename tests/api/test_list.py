"""GET /download: the list, its pages, filters and search."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Scope, User
from downloads.models import Job, MediaFile, Status
from tests.api.conftest import Api, code_of, key_of
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

MOMENT = datetime(2030, 1, 31, 12, 0, 0, 5, tzinfo=UTC)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [job["request_id"] for job in answer.json()["results"]]


def test_lists_your_own_newest_first(api: Api, user: User) -> None:
    JobFactory()
    jobs = JobFactory.create_batch(3, owner=user)
    answer = api.get("/download")
    assert ids(answer) == [str(job.pk) for job in reversed(jobs)]
    assert answer.json()["next"] is answer.json()["previous"] is None


def test_needs_a_key_to_list(anybody: Api) -> None:
    assert code_of(anybody.get("/download")) == (401, "not_authenticated")


@pytest.mark.parametrize("ordering", ["-created_at", "created_at", "-updated_at", "updated_at", "-title", "title"])
def test_walks_forth_and_back_without_missing_or_repeating(api: Api, user: User, ordering: str) -> None:
    jobs = [JobFactory(owner=user, title=f"title {number % 3}") for number in range(7)]
    seen, addresses = [], []
    address = f"/api/v1/download?limit=2&ordering={ordering}"
    while address:
        page = api.client.get(address).json()
        addresses.append(address)
        seen.append([job["request_id"] for job in page["results"]])
        last, address = page, page["next"] and page["next"].removeprefix("https://media.example.org")
    flat = [job_id for page in seen for job_id in page]
    assert sorted(flat) == sorted(str(job.pk) for job in jobs)
    assert [len(page) for page in seen] == [2, 2, 2, 1]
    back = []
    while last["previous"]:
        last = api.client.get(last["previous"].removeprefix("https://media.example.org")).json()
        back.append([job["request_id"] for job in last["results"]])
    assert back == seen[-2::-1]


def test_a_row_that_comes_in_between_moves_nothing(api: Api, user: User) -> None:
    JobFactory.create_batch(4, owner=user)
    first = api.get("/download", {"limit": 2}).json()
    JobFactory(owner=user)
    query = parse_qs(urlsplit(first["next"]).query)
    second = api.get("/download", {name: values[0] for name, values in query.items()})
    assert not set(ids(second)) & {job["request_id"] for job in first["results"]}
    assert len(ids(second)) == 2


def test_pages_keep_their_filter(api: Api, user: User) -> None:
    JobFactory.create_batch(3, owner=user, running=True)
    JobFactory.create_batch(3, owner=user)
    page = api.get("/download", {"limit": 2, "status": "running"}).json()
    assert "status=running" in page["next"]
    rest = api.client.get(page["next"].removeprefix("https://media.example.org"))
    assert len(ids(rest)) == 1


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "cD05OTk5OTk5OTk5OTk5OTk5",
        "bzoxMDAwMDAwMDAwMDAwMDAwMDAwMA==",
        "\u00e9",
        "a:b:c",
        ".eJw:1:x",
        "W10:1vNc3R:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "%00",
        "x" * 8000,
    ],
)
def test_a_forged_cursor_is_not_found(api: Api, cursor: str) -> None:
    assert code_of(api.get("/download", {"cursor": cursor})) == (404, "invalid_cursor")


def test_a_cursor_of_another_order_is_not_found(api: Api, user: User) -> None:
    JobFactory.create_batch(3, owner=user)
    query = parse_qs(urlsplit(api.get("/download", {"limit": 1}).json()["next"]).query)
    answer = api.get("/download", {"cursor": query["cursor"][0], "ordering": "title"})
    assert code_of(answer) == (404, "invalid_cursor")


def test_a_cursor_shows_nobody_elses_rows(api: Api, stranger: Api, user: User) -> None:
    JobFactory.create_batch(3, owner=user)
    query = parse_qs(urlsplit(api.get("/download", {"limit": 1}).json()["next"]).query)
    assert ids(stranger.get("/download", {"cursor": query["cursor"][0]})) == []


def test_finds_by_status(api: Api, user: User) -> None:
    queued, running = JobFactory(owner=user), JobFactory(owner=user, running=True)
    JobFactory(owner=user, finished=True)
    assert ids(api.get("/download", {"status": "running"})) == [str(running.pk)]
    assert ids(api.get("/download", {"status": "running,queued"})) == [str(running.pk), str(queued.pk)]


@pytest.mark.parametrize("text", ["lecture", "LECTURE", "42", "my ref", "50% off_"])
def test_finds_by_text(api: Api, user: User, text: str) -> None:
    JobFactory(owner=user, title="Other", url="http://other.example/7")
    found = JobFactory(
        owner=user, title="A lecture at 50% off_", url="https://videos.example.com/42", client_reference="my ref"
    )
    assert ids(api.get("/download", {"q": text})) == [str(found.pk)]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", '"', "\u0130", "x" * 200])
def test_finds_nothing_by_what_is_not_there(api: Api, user: User, text: str) -> None:
    JobFactory(owner=user, title="Other")
    assert ids(api.get("/download", {"q": text})) == []


@pytest.mark.parametrize("tag", ["a", "with space", "quote'", 'double"', "50%", "\\", "ü"])
def test_finds_by_exactly_a_tag(api: Api, user: User, tag: str) -> None:
    JobFactory(owner=user, tags=[f"{tag}b", "z"])
    found = JobFactory(owner=user, tags=["z", tag])
    assert ids(api.get("/download", {"tag": tag})) == [str(found.pk)]


def test_finds_by_time(api: Api, user: User) -> None:
    old, new = (JobFactory(owner=user, created_at=MOMENT + timedelta(days=days)) for days in (0, 10))
    between = (MOMENT + timedelta(days=5)).isoformat()
    assert ids(api.get("/download", {"created_after": between})) == [str(new.pk)]
    assert ids(api.get("/download", {"created_before": between})) == [str(old.pk)]
    assert ids(api.get("/download", {"created_after": "0001-01-01T00:00:00+23:59"})) == [str(new.pk), str(old.pk)]
    assert ids(api.get("/download", {"created_after": "9999-12-31T23:59:59-23:59"})) == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1.0",
        "limit=%20" + "5",
        "limit=99999999999999999999",
        "limit=5&limit=6",
        "status=unknown",
        "status=",
        "status=running,",
        "status=running&status=queued",
        "ordering=speed",
        "ordering=",
        "ordering=owner__password",
        "ordering=-created_at,title",
        "q=",
        "q=" + "x" * 201,
        "q=%00",
        "tag=",
        "tag=" + "x" * 51,
        "created_after=now",
        "created_after=2030-01-01",
        "created_before=2030-01-01T00:00:00",
        "created_after=99999-01-01T00:00:00Z",
        "page=2",
        "offset=5",
        "owner=1",
        "format=xml",
        "cursor=",
        "q[]=x",
    ],
)
def test_refuses_queries_that_make_no_sense(api: Api, query: str) -> None:
    assert code_of(api.client.get(f"/api/v1/download?{query}"))[0] == 400


@pytest.mark.parametrize("count", [1, 20])
def test_a_list_costs_as_many_queries_however_long_it_is(
    api: Api,
    user: User,
    count: int,
    stored: Callable[..., MediaFile],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(count):
        stored(JobFactory(owner=user, finished=True))
    api.get("/download")
    with django_assert_num_queries(4):  # key, rate, jobs, files
        assert len(ids(api.get("/download"))) == count


def test_a_key_that_may_only_write_cannot_read(user: User, job: Job) -> None:
    writer = Api(key_of(user, Scope.WRITE))
    assert code_of(writer.get("/download")) == (403, "insufficient_scope")
    assert code_of(writer.get(f"/download/{job.pk}")) == (403, "insufficient_scope")


def test_status_names_are_all_known(api: Api) -> None:
    assert ids(api.get("/download", {"status": ",".join(Status.values)})) == []
