"""The operators' pages: readable by everybody, at every width, with and without script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from downloads.models import AuditRecord, Hold, HoldKind, Job, Node, Sample
from tests.browser.conftest import Tab
from tests.browser.test_accessibility import LONG, RIGHT_TO_LEFT, UNBROKEN, inspect
from tests.factories import JobFactory, MediaFileFactory, UserFactory


@pytest.fixture
def crowd(user: User) -> list[Job]:
    """A queue in which everything happens."""
    other = UserFactory(username="a-user-with-a-long-name@example.org")
    later = timezone.now() + timedelta(hours=2)
    moving = {"stage": "downloading", "progress_percent": 42, "speed": 5e6, "eta": 29, "worker": "node-1/71/5"}
    Node.objects.pulse("node-1", slots=4, version="1.0", ytdlp_version="2026.11.20", sandbox="full")
    Node.objects.pulse("node-2", slots=2, components={"ffmpeg": {"status": "error", "message": "not found"}})
    Hold.objects.place(HoldKind.HOST, "slow.example", by=user)
    Hold.objects.place(HoldKind.NODE, "node-2", by=user)
    return [
        JobFactory(owner=user, running=True, title=LONG, **moving),
        JobFactory(owner=other, running=True, url=UNBROKEN, lease_expires_at=timezone.now() - timedelta(seconds=9)),
        JobFactory(owner=other, title=RIGHT_TO_LEFT, host="slow.example"),
        JobFactory(owner=user, title="Tomorrow", eligible_at=later, priority=10),
        JobFactory(owner=user, title="Soon"),
        JobFactory(owner=user, title="Left", status="paused"),
    ]


@pytest.fixture
def past(transactional_db: None) -> None:
    """A day of samples."""
    now = timezone.now()
    for hour in range(26):
        ended = {
            "completed": sum(40 + 9 * (past % 5) for past in range(hour)),
            "failed": hour * 2,
            "cancelled": hour // 3,
        }
        used = 4_000_000_000 * hour
        Sample.objects.create(
            taken_at=now - timedelta(hours=26 - hour),
            downloaded_bytes=used,
            stored_bytes=used // 2,
            free_bytes=300_000_000_000 - used // 2,
            **ended,
        )


def row_of(page: Page, table: str, text: str) -> str:
    return page.get_by_role("region", name=table).get_by_role("row").filter(has_text=text).inner_text()


@pytest.mark.usefixtures("crowd", "past")
def test_the_queue_with_everything(tab: Tab) -> None:
    inspect(tab.open("/admin/queue/"))


def test_the_queue_with_nothing(tab: Tab) -> None:
    inspect(tab.open("/admin/queue/"))


def test_the_queue_says_why_jobs_wait(tab: Tab, crowd: list[Job]) -> None:
    page = tab.open("/admin/queue/")
    assert "Its host is paused." in row_of(page, "Next, by priority and age", "slow.example")
    assert "Asked to start at" in row_of(page, "Next, by priority and age", "Tomorrow")
    assert "Starts in a moment." in row_of(page, "Next, by priority and age", "Soon")


def test_the_queue_moves_by_itself(tab: Tab, crowd: list[Job]) -> None:
    page = tab.open("/admin/queue/")
    page.get_by_label("Name", exact=True).fill("half typ")
    Job.objects.filter(pk=crowd[0].pk).update(progress_percent=77)
    page.get_by_text("77 %").wait_for()
    assert page.get_by_label("Name", exact=True).input_value() == "half typ"


@pytest.mark.usefixtures("content_types")
def test_the_queue_is_steered_without_script(plain_tab: Tab, crowd: list[Job]) -> None:
    page = plain_tab.open("/admin/queue/")
    page.get_by_role("button", name="Pause the queue").click()
    expect(page.get_by_text("Paused: The queue. What runs already goes on.")).to_be_visible()
    page.get_by_role("button", name="Resume the queue", exact=True).click()
    expect(page.get_by_text("The queue is open.")).to_be_visible()
    page.get_by_label("What", exact=True).select_option("owner")
    page.get_by_label("Name", exact=True).fill("ada")
    page.get_by_role("button", name="Pause", exact=True).click()
    assert "Its user is paused." in row_of(page, "Next, by priority and age", "Soon")
    page.get_by_role("button", name="Resume ada").click()
    assert "Starts in a moment." in row_of(page, "Next, by priority and age", "Soon")
    assert "drained: may be stopped" in row_of(page, "Machines", "node-2")
    page.get_by_role("button", name="Drain node-1").click()
    assert "draining" in row_of(page, "Machines", "node-1")


@pytest.fixture
def store(user: User, finished: Callable[..., Job], past: None) -> list[Job]:
    record = {"orphans": {"count": 1, "keys": [UNBROKEN]}, "missing": {"count": 2, "keys": ["a", "b"]}}
    AuditRecord.objects.create(node="node-1", files=7, findings=record)
    other = JobFactory(owner=UserFactory(username="eve"), finished=True)
    MediaFileFactory(job=other, size_bytes=1_900_000_000, filename="x" * 200 + ".mp4")
    return [finished(title=LONG), finished(title=RIGHT_TO_LEFT, is_kept=True, expires_at=None), other]


def test_the_store_with_everything(tab: Tab, store: list[Job]) -> None:
    inspect(tab.open("/admin/storage/"))


def test_the_store_with_nothing(tab: Tab) -> None:
    inspect(tab.open("/admin/storage/"))


@pytest.mark.usefixtures("content_types")
def test_the_oldest_files_are_evicted_without_script(plain_tab: Tab, store: list[Job]) -> None:
    page = plain_tab.open("/admin/storage/")
    page.get_by_label("Megabytes to free").fill("10000")
    page.get_by_label("These files are to be gone").check()
    page.get_by_role("button", name="Evict").click()
    expect(page.get_by_text("Evicted: the files of 2 jobs, 1.9 GB.")).to_be_visible()
    expect(page.get_by_text("Nothing else may go.")).to_be_visible()


@pytest.mark.usefixtures("crowd")
def test_the_system(tab: Tab, user: User) -> None:
    JobFactory(owner=user, broken=True, metadata={"extractor": "a-site"})
    inspect(tab.open("/admin/system/"))
