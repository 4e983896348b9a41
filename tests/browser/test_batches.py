"""The pages of batches: in both themes, on a phone, by keyboard, without a script, and while they move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from downloads.models import Batch, Job
from tests.browser.conftest import Tab
from tests.browser.test_accessibility import LONG, RIGHT_TO_LEFT, UNBROKEN, inspect
from tests.factories import BatchFactory, JobFactory


@pytest.fixture
def batch(user: User, finished: Callable[..., Job]) -> Batch:
    batch = BatchFactory(owner=user, kind="playlist", title=LONG, url=UNBROKEN, skipped=2)
    finished(batch=batch, playlist_index=1, title=RIGHT_TO_LEFT).files.update(crc32=0)
    states: list[dict[str, Any]] = [
        {"running": True, "progress_percent": 40, "title": LONG},
        {"broken": True, "url": UNBROKEN},
        {"title": "Waits"},
        {"status": "paused"},
    ]
    for number, state in enumerate(states, start=2):
        JobFactory(owner=user, batch=batch, playlist_index=number, **state)
    BatchFactory(owner=user, kind="channel", url=UNBROKEN, status="expanding")
    return batch


def test_the_list_and_a_batch_can_be_read_by_all(tab: Tab, batch: Batch) -> None:
    inspect(tab.open("/batches"))
    inspect(tab.open(f"/batches/{batch.pk}"))


def test_a_button_acts_and_the_page_follows(tab: Tab, batch: Batch) -> None:
    page = tab.open(f"/batches/{batch.pk}")
    assert page.get_by_role("link", name="Save all as zip").is_visible()
    page.get_by_role("button", name="Cancel all").focus()
    page.keyboard.press("Enter")
    page.locator(".batch-head .status-cancelled").wait_for()
    assert page.get_by_role("button", name="Cancel all").count() == 0
    assert Job.objects.filter(batch=batch, status="cancelled").count() == 3


def test_works_without_a_script(plain_tab: Tab, batch: Batch) -> None:
    page = plain_tab.open("/batches")
    page.locator("h2 a").last.click()
    page.get_by_role("button", name="Try the failed again").click()
    page.get_by_text("Queued again: 1.").wait_for()
    assert page.url.endswith(f"/batches/{batch.pk}")
