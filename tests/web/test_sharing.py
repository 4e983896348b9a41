from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from accounts.models import User
from downloads.links import address_of
from downloads.models import Link, MediaFile
from tests.factories import JobFactory, MediaFileFactory, UserFactory, row
from tests.vanishing import after_reading
from tests.web.conftest import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(user: User) -> MediaFile:
    return MediaFileFactory(job=JobFactory(owner=user, finished=True, expires_at=timezone.now() + timedelta(days=3)))


def share(file: MediaFile) -> Link:
    return Link.objects.issue(file, file.job.owner, timezone.now())


def test_a_file_of_a_job_can_be_shared_from_its_page(page: Client, file: MediaFile) -> None:
    assert f'href="/files/{file.pk}/links"' in page.get(f"/jobs/{file.job_id}").text
    assert "Nobody has a link yet" in page.get(f"/files/{file.pk}/links").text


def test_makes_a_link_and_shows_its_address(page: Client, file: MediaFile) -> None:
    form = {"lifetime": "86400", "max_downloads": "3", "label": "for Ada"}
    answer = page.post(f"/files/{file.pk}/links", form, follow=True)
    link = Link.objects.get()
    assert (link.max_downloads, link.label) == (3, "for Ada")
    assert link.expires_at - link.created_at == timedelta(days=1)
    assert address_of(link) in answer.text
    assert "0 of 3" in answer.text


@pytest.mark.parametrize("lifetime", ["604800", "0"])
def test_a_link_does_not_outlive_the_file(page: Client, file: MediaFile, lifetime: str) -> None:
    page.post(f"/files/{file.pk}/links", {"lifetime": lifetime})
    assert Link.objects.get().expires_at == file.job.expires_at


@pytest.mark.parametrize(
    "wrong", [{}, {"lifetime": "5"}, {"lifetime": "0", "max_downloads": "0"}, {"lifetime": "0", "label": "x" * 101}]
)
def test_a_form_that_makes_no_sense_comes_back(page: Client, file: MediaFile, wrong: dict[str, str]) -> None:
    assert page.post(f"/files/{file.pk}/links", wrong).status_code == 400
    assert not Link.objects.exists()


def test_a_deleted_file_cannot_be_shared(page: Client, file: MediaFile) -> None:
    MediaFile.objects.mark_deleted()
    assert "nothing to share" in page.get(f"/files/{file.pk}/links").text
    assert page.post(f"/files/{file.pk}/links", {"lifetime": "0"}).status_code == 400


def test_a_file_whose_job_is_deleted_meanwhile_is_not_there(page: Client, file: MediaFile) -> None:
    with after_reading("downloads_mediafile", file, file.job):
        assert page.post(f"/files/{file.pk}/links", {"lifetime": "0"}).status_code == 404


def test_revokes_a_link_and_hides_its_address(page: Client, file: MediaFile) -> None:
    link = share(file)
    answer = page.post(f"/links/{link.pk}/revoke", follow=True)
    assert row(Link, link.pk).revoked_at is not None
    assert "Revoked" in answer.text
    assert address_of(link) not in answer.text


def test_files_and_links_of_others_are_not_there(file: MediaFile) -> None:
    link, other = share(file), signed_in(UserFactory())
    assert other.get(f"/files/{file.pk}/links").status_code == 404
    assert other.post(f"/files/{file.pk}/links", {"lifetime": "0"}).status_code == 404
    assert other.post(f"/links/{link.pk}/revoke").status_code == 404
    assert Client().get(f"/files/{file.pk}/links").status_code == 302


def test_an_operator_sees_and_revokes_links_but_not_their_addresses(operator: User, file: MediaFile) -> None:
    link, site = share(file), signed_in(operator)
    listed, shown = site.get("/admin/downloads/link/"), site.get(f"/admin/downloads/link/{link.pk}/change/")
    assert (listed.status_code, shown.status_code) == (200, 200)
    assert "/s/" not in listed.text + shown.text
    assert site.post(f"/admin/downloads/link/{link.pk}/change/", {"label": "x"}).status_code == 403
    form = {"action": "revoke", "_selected_action": [str(link.pk)]}
    assert "Revoked: 1." in site.post("/admin/downloads/link/", form, follow=True).text
    assert row(Link, link.pk).revoked_at is not None
    assert LogEntry.objects.get().user == operator
