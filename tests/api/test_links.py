from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import IdempotentAnswer, Scope, User
from downloads.api.representation import written
from downloads.links import link_id_of
from downloads.models import Link, MediaFile
from downloads.models.link import MAX_OPEN_LINKS
from tests.api.conftest import Api, code_of, key_of
from tests.factories import JobFactory, row
from tests.vanishing import after_reading

pytestmark = pytest.mark.django_db

Stored = Callable[..., MediaFile]


def made(api: Api, file: MediaFile, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/files/{file.pk}/links", body)
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def test_makes_a_link_that_lives_as_long_as_the_file(api: Api, user: User, stored: Stored) -> None:
    file = stored()
    answer = api.post(f"/files/{file.pk}/links")
    link = answer.json()
    assert answer["Location"] == f"/api/v1/links/{link['link_id']}"
    token = link["url"].removeprefix("https://media.example.org/s/").removesuffix("/clip.mp4")
    assert str(link_id_of(token)) == link["link_id"]
    assert (link["state"], link["max_downloads"], link["download_count"]) == ("open", None, 0)
    assert link["expires_at"] == written(file.job.expires_at)
    assert row(Link, link["link_id"]).owner == user
    assert api.get(answer["Location"].removeprefix("/api/v1")).json() == link


def test_what_is_wanted_of_a_link_is_what_it_is(api: Api, stored: Stored) -> None:
    end = written(timezone.now().replace(microsecond=0) + timedelta(minutes=30))
    link = made(api, stored(), expires_at=end, max_downloads=3, label="for Ada")
    assert (link["expires_at"], link["max_downloads"], link["label"]) == (end, 3, "for Ada")
    brief = row(Link, made(api, stored(), expires_in_sec=60)["link_id"])
    assert brief.expires_at - brief.created_at == timedelta(minutes=1)


def test_a_length_of_time_ends_with_the_file_at_the_latest(api: Api, stored: Stored) -> None:
    file = stored()
    assert made(api, file, expires_in_sec=86_400)["expires_at"] == written(file.job.expires_at)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2199-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_in_sec": 0}, "expires_in_sec"),
        ({"expires_in_sec": 10**12}, "expires_in_sec"),
        ({"expires_in_sec": 60, "expires_at": "2199-01-01T00:00:00Z"}, "expires_in_sec"),
        ({"max_downloads": 0}, "max_downloads"),
        ({"max_downloads": "3"}, "max_downloads"),
        ({"max_downloads": 10**7}, "max_downloads"),
        ({"label": "x" * 101}, "label"),
        ({"label": "a\nb"}, "label"),
        ({"label": 5}, "label"),
    ],
    ids=str,
)
def test_refuses_what_makes_no_sense(api: Api, stored: Stored, body: dict[str, Any], field: str) -> None:
    answer = api.post(f"/files/{stored().pk}/links", body)
    assert code_of(answer)[0] == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Link.objects.exists()


def test_refuses_names_and_queries_that_it_does_not_know(api: Api, stored: Stored) -> None:
    file = stored()
    assert code_of(api.post(f"/files/{file.pk}/links", {"password": "x"})) == (400, "unknown_field")
    assert code_of(api.post(f"/files/{file.pk}/links?label=x")) == (400, "unknown_field")
    assert code_of(api.get(f"/files/{file.pk}/links", {"all": "1"})) == (400, "unknown_field")


def test_a_file_that_is_gone_or_about_to_go_is_not_shared(api: Api, user: User, stored: Stored) -> None:
    gone = stored()
    MediaFile.objects.mark_deleted()
    late = stored(JobFactory(owner=user, finished=True, expires_at=timezone.now() - timedelta(seconds=5)))
    for file in (gone, late):
        assert code_of(api.post(f"/files/{file.pk}/links")) == (410, "file_expired")


def test_a_file_whose_job_is_deleted_meanwhile_is_not_there(api: Api, stored: Stored) -> None:
    file = stored()
    with after_reading("downloads_mediafile", file, file.job):
        assert code_of(api.post(f"/files/{file.pk}/links")) == (404, "not_found")


def test_a_file_can_have_too_many_links(api: Api, user: User, stored: Stored) -> None:
    file, now = stored(), timezone.now()
    Link.objects.bulk_create(
        Link(file=file, owner=user, created_at=now, expires_at=now + timedelta(hours=1)) for _ in range(MAX_OPEN_LINKS)
    )
    assert code_of(api.post(f"/files/{file.pk}/links")) == (409, "too_many_links")


def test_a_repeated_request_makes_one_link_and_shows_it_again(api: Api, stored: Stored) -> None:
    file = stored()
    first, again = (api.post(f"/files/{file.pk}/links", **{"Idempotency-Key": "once"}) for _ in range(2))
    assert first.json() == again.json()
    token = first.json()["url"].split("/")[4]
    assert not [row for row in IdempotentAnswer.objects.values() if token in str(row)]
    assert Link.objects.count() == 1


def test_lists_a_files_links_page_by_page(api: Api, stored: Stored) -> None:
    file = stored()
    ids = [made(api, file)["link_id"] for _ in range(5)]
    made(api, stored())
    first = api.get(f"/files/{file.pk}/links", {"limit": "3"}).json()
    rest = api.client.get(first["next"].removeprefix("https://media.example.org")).json()
    assert [link["link_id"] for link in [*first["results"], *rest["results"]]] == ids[::-1]
    assert rest["next"] is None
    assert code_of(api.get(f"/files/{file.pk}/links", {"cursor": "x"})) == (404, "invalid_cursor")


def test_asks_the_database_equally_often_however_many_links_there_are(
    api: Api, stored: Stored, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    file = stored()
    made(api, file)
    api.get(f"/files/{file.pk}/links")
    with django_assert_num_queries(4):
        api.get(f"/files/{file.pk}/links")
    for _ in range(4):
        made(api, file)
    with django_assert_num_queries(4):
        api.get(f"/files/{file.pk}/links")


def test_revokes_at_once_and_as_often_as_asked(api: Api, stored: Stored) -> None:
    link = made(api, stored())
    for _ in range(2):
        assert api.delete(f"/links/{link['link_id']}").status_code == 204
    assert api.get(f"/links/{link['link_id']}").json()["state"] == "revoked"


def test_somebody_elses_links_are_not_there(stranger: Api, operator: Api, api: Api, stored: Stored) -> None:
    file = stored()
    link = made(api, file)
    for other in (stranger, operator):
        assert code_of(other.get(f"/files/{file.pk}/links")) == (404, "not_found")
        assert code_of(other.post(f"/files/{file.pk}/links")) == (404, "not_found")
        assert code_of(other.get(f"/links/{link['link_id']}")) == (404, "not_found")
        assert code_of(other.delete(f"/links/{link['link_id']}")) == (404, "not_found")
    assert code_of(api.get(f"/links/{uuid.uuid4()}")) == (404, "not_found")
    assert row(Link, link["link_id"]).revoked_at is None


def test_making_and_revoking_need_a_key_that_may_write(anybody: Api, user: User, api: Api, stored: Stored) -> None:
    file = stored()
    link = made(api, file)
    reader = Api(key_of(user, Scope.READ))
    assert code_of(anybody.post(f"/files/{file.pk}/links")) == (401, "not_authenticated")
    assert code_of(reader.post(f"/files/{file.pk}/links")) == (403, "insufficient_scope")
    assert code_of(reader.delete(f"/links/{link['link_id']}")) == (403, "insufficient_scope")
    assert reader.get(f"/files/{file.pk}/links").status_code == 200


def test_making_links_is_limited_as_submissions_are(api: Api, stored: Stored, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 2
    file = stored()
    statuses = [api.post(f"/files/{file.pk}/links").status_code for _ in range(3)]
    assert statuses == [201, 201, 429]
