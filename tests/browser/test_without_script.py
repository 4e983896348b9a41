from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from accounts.models import ApiKey, User
from downloads.models import Job
from tests.browser.conftest import Tab
from tests.factories import JobFactory, row

URL = "https://video.example/watch?v=1"


def test_submits_and_cancels(plain_tab: Tab) -> None:
    page = plain_tab.open("/")
    page.get_by_label("Links, one on each line").fill(f"{URL}\n{URL}2")
    page.get_by_label("720p").check(force=True)
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_text("2 downloads are in the queue, as one batch.")).to_be_visible()
    assert set(Job.objects.values_list("options__quality", flat=True)) == {"720p"}
    page.get_by_role("button", name="Cancel").first.click()
    expect(page.get_by_text("Cancelled.", exact=True)).to_be_visible()
    assert Job.objects.filter(status="cancelled").count() == 1


def test_corrects_a_refused_form(plain_tab: Tab) -> None:
    page = plain_tab.open("/")
    page.get_by_label("Links, one on each line").fill("nonsense")
    page.get_by_role("button", name="Download").click()
    expect(page.get_by_text("A URL begins with http:// or https://.")).to_be_visible()
    page.get_by_label("Links, one on each line").fill(URL)
    page.get_by_role("button", name="Download").click()
    expect(page.locator(".job-card")).to_have_count(1)


def test_pauses_resumes_and_retries(plain_tab: Tab, user: User) -> None:
    job = JobFactory(owner=user)
    page = plain_tab.open(f"/jobs/{job.pk}")
    for button, status in (("Pause", "paused"), ("Resume", "queued"), ("Cancel", "cancelled"), ("Try again", "queued")):
        page.get_by_role("button", name=button).click()
        page.wait_for_load_state()
        assert row(Job, job.pk).status == status
        assert page.url.endswith(f"/jobs/{job.pk}")


def test_plays_keeps_and_deletes(plain_tab: Tab, finished: Callable[..., Job]) -> None:
    job = finished(title="A walk")
    page = plain_tab.open(f"/jobs/{job.pk}")
    expect(page.locator("video")).to_be_visible()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_text("kept until you delete it")).to_be_visible()
    page.get_by_role("button", name="Delete clip.mp4").click()
    expect(page.get_by_text("The files are deleted")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("video")).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deleted, with its files.")).to_be_visible()
    assert not Job.objects.present().exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="A walk", exact=True)).to_be_visible()


def test_hides_what_needs_a_script(plain_tab: Tab, finished: Callable[..., Job]) -> None:
    job = finished(title="A walk")
    page = plain_tab.open(f"/jobs/{job.pk}")
    expect(page.get_by_role("button", name="Copy the checksum")).to_have_count(0)
    expect(page.get_by_text("SHA-256")).to_be_visible()


def test_searches_filters_and_acts_on_several(plain_tab: Tab, user: User) -> None:
    JobFactory(owner=user, title="Rain")
    JobFactory(owner=user, title="Snow", broken=True)
    page = plain_tab.open("/library")
    page.get_by_role("searchbox").fill("rain")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("link", name="Failed").click()
    page.goto(f"{plain_tab.server.url}/library")
    page.get_by_label("Choose Rain").check()
    page.get_by_label("Choose Snow").check()
    page.locator("#selection").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 of 2 deleted.")).to_be_visible()


def test_makes_and_revokes_a_key(plain_tab: Tab) -> None:
    page = plain_tab.open("/accounts/keys/")
    page.locator("#id_name").fill("phone")
    page.get_by_role("button", name="Make a key").click()
    assert page.get_by_label("phone").input_value().startswith("mdl_")
    page.get_by_role("link", name="Back to your keys").click()
    page.get_by_text("Change or revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("is revoked: nothing gets in")).to_be_visible()
    assert ApiKey.objects.get().revoked_at is not None


def test_changes_the_theme(plain_tab: Tab) -> None:
    page = plain_tab.open("/help")
    page.get_by_role("button", name="Dark").click()
    page.wait_for_load_state()
    assert page.url.endswith("/help")
    assert page.locator("html").get_attribute("data-theme") == "dark"
