from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from downloads.models import Link, LinkClosedError, LinkState, LinkVisit, MediaFile, TooManyLinksError
from downloads.models.link import MAX_OPEN_LINKS, REMEMBERED, VISIT, is_shareable, latest_end
from tests.accounts.racing import race
from tests.factories import JobFactory, MediaFileFactory, row
from tests.vanishing import meanwhile

pytestmark = [pytest.mark.promise("S11"), pytest.mark.django_db]

NOW = timezone.now()
HOUR = timedelta(hours=1)


def made(**chosen: Any) -> Link:
    file = MediaFileFactory()
    return Link.objects.issue(file, file.job.owner, NOW, **chosen)


def count(link: Link) -> int:
    return int(row(Link, link.pk).download_count)


# --- How long it lives ----------------------------------------------------------------------------------------------


def test_lives_as_long_as_the_file_by_itself() -> None:
    link = made()
    assert link.expires_at == link.file.job.expires_at
    assert link.state(link.expires_at - HOUR / 2) == LinkState.OPEN
    assert link.state(link.expires_at) == LinkState.EXPIRED


def test_of_a_file_that_is_kept_lives_for_a_week_and_a_year_at_most() -> None:
    file = MediaFileFactory(job=JobFactory(finished=True, is_kept=True, expires_at=None))
    assert Link.objects.issue(file, file.job.owner, NOW).expires_at == NOW + timedelta(days=7)
    assert latest_end(file, NOW) == NOW + timedelta(days=365)


def test_a_file_whose_time_is_over_is_not_shared_even_while_it_is_there() -> None:
    file = MediaFileFactory()
    assert is_shareable(file, NOW)
    assert not is_shareable(file, file.job.expires_at or NOW)
    file.deleted_at = NOW
    assert not is_shareable(file, NOW)


def test_a_file_has_a_bounded_number_of_open_links() -> None:
    link = made()
    Link.objects.bulk_create(
        Link(file=link.file, owner=link.owner, created_at=NOW, expires_at=NOW + HOUR) for _ in range(MAX_OPEN_LINKS - 1)
    )
    with pytest.raises(TooManyLinksError):
        Link.objects.issue(link.file, link.owner, NOW)
    link.revoke(NOW)
    Link.objects.issue(link.file, link.owner, NOW)


@pytest.mark.parametrize(
    "wrong",
    [{"expires_at": NOW}, {"max_downloads": 0}, {"max_downloads": 1, "download_count": 2}],
    ids=["over at once", "for nobody", "beyond its limit"],
)
def test_the_database_refuses_a_link_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        made(**wrong)


def test_is_revoked_once_and_for_good() -> None:
    link = made()
    assert link.revoke(NOW)
    assert not link.revoke(NOW + HOUR)
    assert row(Link, link.pk).revoked_at == NOW
    with pytest.raises(LinkClosedError, match="revoked"):
        link.admit("ada", NOW, is_whole=True)


def test_goes_with_its_file_and_is_forgotten_a_while_after_its_end() -> None:
    kept, gone = made(), made()
    end = kept.expires_at
    assert Link.objects.forgotten(end + REMEMBERED).count() == 0
    assert Link.objects.forgotten(end + REMEMBERED + HOUR).count() == 2
    MediaFile.objects.filter(pk=gone.file_id).delete()
    assert list(Link.objects.all()) == [kept]


# --- What a download is ---------------------------------------------------------------------------------------------


def test_every_request_for_the_whole_is_a_download() -> None:
    link = made(max_downloads=2)
    for expected in (1, 2):
        link.admit("ada", NOW, is_whole=True)
        assert count(link) == expected
    with pytest.raises(LinkClosedError) as refusal:
        link.admit("ada", NOW, is_whole=True)
    assert refusal.value.state == LinkState.USED_UP
    assert row(Link, link.pk).state(NOW) == LinkState.USED_UP


def test_parts_belong_to_the_download_that_their_visitor_began() -> None:
    link = made(max_downloads=1)
    link.admit("ada", NOW, is_whole=True)
    for _ in range(50):
        link.admit("ada", NOW, is_whole=False)
    assert count(link) == 1


def test_a_part_that_nothing_went_before_begins_a_download() -> None:
    link = made(max_downloads=1)
    link.admit("ada", NOW, is_whole=False)
    link.admit("ada", NOW, is_whole=False)
    assert count(link) == 1
    with pytest.raises(LinkClosedError):
        link.admit("eve", NOW, is_whole=False)


def test_a_refused_visitor_cannot_go_on_with_parts() -> None:
    link = made(max_downloads=1)
    link.admit("ada", NOW, is_whole=True)
    for is_whole in (True, False, False, True, False):
        with pytest.raises(LinkClosedError):
            link.admit("eve", NOW, is_whole=is_whole)
    assert [visit.visitor for visit in LinkVisit.objects.all()] == ["ada"]


def test_a_download_goes_on_for_as_long_as_its_visitor_does() -> None:
    file = MediaFileFactory(job=JobFactory(finished=True, is_kept=True, expires_at=None))
    link = Link.objects.issue(file, file.job.owner, NOW, max_downloads=2)
    for hours in (0, 23, 46, 69):
        link.admit("ada", NOW + hours * HOUR, is_whole=False)
    assert count(link) == 1
    link.admit("ada", NOW + 69 * HOUR + VISIT, is_whole=False)
    assert count(link) == 2
    with pytest.raises(LinkClosedError):
        link.admit("ada", NOW + 69 * HOUR + 2 * VISIT, is_whole=False)


@pytest.mark.parametrize("is_whole", [True, False])
def test_no_download_goes_on_past_the_end_or_the_revocation(is_whole: bool) -> None:
    link = made()
    link.admit("ada", NOW, is_whole=True)
    with pytest.raises(LinkClosedError, match="expired"):
        link.admit("ada", link.expires_at, is_whole=is_whole)
    link.revoke(NOW)
    with pytest.raises(LinkClosedError, match="revoked"):
        link.admit("ada", NOW, is_whole=is_whole)


def test_who_asks_for_the_head_alone_takes_nothing() -> None:
    link = made(max_downloads=1)
    link.look("ada", NOW)
    assert count(link) == 0
    link.admit("ada", NOW, is_whole=True)
    link.refresh_from_db()
    link.look("ada", NOW)
    with pytest.raises(LinkClosedError):
        link.look("eve", NOW)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_exactly_as_many_begin_as_are_left() -> None:
    link = made(max_downloads=5)
    outcomes = race(lambda: row(Link, link.pk).admit("ada", NOW, is_whole=True), 16)
    assert outcomes.count(None) == 5
    assert sum(isinstance(outcome, LinkClosedError) for outcome in outcomes) == 11
    assert count(link) == 5


def test_of_two_first_parts_the_slower_one_counts_nothing() -> None:
    """The other's visit is written after this one has looked for it."""
    link = made()
    with meanwhile(lambda: LinkVisit.objects.create(link=link, visitor="ada", seen_at=NOW)):
        link.admit("ada", NOW, is_whole=False)
    assert count(link) == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_that_are_made_at_once_a_file_takes_as_many_as_it_may_have() -> None:
    file = made().file
    Link.objects.bulk_create(
        Link(file=file, owner=file.job.owner, created_at=NOW, expires_at=NOW + HOUR) for _ in range(MAX_OPEN_LINKS - 4)
    )
    outcomes = race(lambda: Link.objects.issue(file, file.job.owner, NOW), 8)
    assert sum(isinstance(outcome, TooManyLinksError) for outcome in outcomes) == 5
    assert Link.objects.filter(file=file).open(NOW).count() == MAX_OPEN_LINKS


@pytest.mark.django_db(transaction=True)
def test_parts_that_one_visitor_asks_for_at_once_are_one_download() -> None:
    link = made(max_downloads=1)
    outcomes = race(lambda: row(Link, link.pk).admit("ada", NOW, is_whole=False), 12)
    assert outcomes == [None] * 12
    assert count(link) == 1
