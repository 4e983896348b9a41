"""Sharing a file by the keyboard and without scripts, and playing what was shared in another browser."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from downloads.links import address_of
from downloads.models import Job, Link, MediaFile
from tests.browser.conftest import OpenTab, Server, Tab, publish
from tests.browser.test_accessibility import LONG, inspect
from tests.browser.test_keyboard import press_until
from tests.factories import JobFactory, row

pytestmark = pytest.mark.promise("S11")

SECONDS, RATE = 240, 44_100


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty megabytes, so that a player that jumps has to ask for what it does not have."""
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(SECONDS * RATE * 4))
    return path


def shared(job: Job, **chosen: object) -> Link:
    file = MediaFile.objects.get(job=job)
    return Link.objects.issue(file, job.owner, timezone.now(), **chosen)


def test_the_page_with_links_in_every_state(tab: Tab, finished: Callable[..., Job]) -> None:
    job = finished(title=LONG)
    link = shared(job, label="x" * 100, max_downloads=3)
    shared(job).revoke(timezone.now())
    inspect(tab.open(f"/files/{link.file_id}/links"))


def test_the_page_without_links(tab: Tab, finished: Callable[..., Job]) -> None:
    inspect(tab.open(f"/files/{MediaFile.objects.get(job=finished()).pk}/links"))


def test_shares_and_revokes_by_the_keyboard(tab: Tab, finished: Callable[..., Job]) -> None:
    page = tab.open(f"/jobs/{finished().pk}")
    press_until(page, "Share")
    page.keyboard.press("Enter")
    page.get_by_label("Downloads").fill("2")
    page.keyboard.press("Enter")
    expect(page.get_by_text("0 of 2")).to_be_visible()
    press_until(page, "Copy")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Copied.")).to_be_visible()
    press_until(page, "Revoke")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Revoked: the link leads nowhere any more.")).to_be_visible()


def test_shares_and_revokes_without_a_script(plain_tab: Tab, finished: Callable[..., Job]) -> None:
    page = plain_tab.open(f"/jobs/{finished().pk}")
    page.get_by_role("link", name="Share").click()
    page.get_by_label("Works for").select_option("an hour")
    page.get_by_role("button", name="Make a link").click()
    address = page.get_by_label("Address of").input_value()
    assert address == address_of(Link.objects.get())
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked: the link leads nowhere any more.")).to_be_visible()


def test_a_player_on_any_page_seeks_to_and_fro_and_is_counted_once(
    new_tab: OpenTab, server: Server, user: User, sound: Path
) -> None:
    job = JobFactory(owner=user, finished=True)
    publish(job, sound, is_main=True, mime_type="audio/wav")
    link = shared(job, max_downloads=1)
    page = new_tab(is_signed_in=False).page
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status))
    page.set_content(f'<audio controls preload="metadata" src="{address_of(link)}"></audio>')
    for second in (200, 100, 220, 0, 150):
        assert seek(page, second) == second
    assert set(statuses) == {206}
    assert len(statuses) > 2
    assert row(Link, link.pk).download_count == 1


def seek(page: Page, second: int) -> float:
    """Where the player is when it has the data for it."""
    found: float = page.evaluate(
        """second => new Promise((resolve, reject) => {
          const player = document.querySelector("audio");
          const go = () => { player.currentTime = second; };
          if (player.error) reject(player.error.message);
          player.addEventListener("error", () => reject(player.error.message), { once: true });
          player.addEventListener("seeked", () => resolve(player.currentTime), { once: true });
          if (player.readyState) go(); else player.addEventListener("loadedmetadata", go, { once: true });
        })""",
        second,
    )
    return found


def test_what_is_wrong_with_a_link_is_said_on_a_page(
    new_tab: OpenTab, user: User, finished: Callable[..., Job]
) -> None:
    link = shared(finished())
    link.revoke(timezone.now())
    tab = new_tab(is_signed_in=False)
    tab.expect_complaint("status of 410")
    tab.page.goto(address_of(link))
    expect(tab.page.get_by_role("heading", name="This link leads nowhere any more")).to_be_visible()
    inspect(tab.page)
