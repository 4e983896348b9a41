"""A look at a link before it is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from downloads.models import Batch, Job, Probe
from tests.browser.conftest import OpenTab, Tab
from tests.browser.test_accessibility import inspect
from tests.origin import Origin
from tests.product import wait_until
from tests.web.test_preview import found

LINK = "https://video.example/watch?v=1"
PASTE = """text => {
  const data = new DataTransfer();
  data.setData("text", text);
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def finish(**about: object) -> Probe:
    probe: Probe = wait_until(Probe.objects.queued().first, 10)
    probe.start("node-1/1/1")
    probe.complete(found(**about))
    return probe


def paste(page: Page, text: str) -> None:
    page.evaluate(PASTE, text)


def test_a_pasted_link_is_looked_at(tab: Tab, origin: Origin) -> None:
    page = tab.open("/")
    paste(page, LINK)
    expect(page.locator("#preview")).to_contain_text("Looking at video.example")
    finish(thumbnail=origin.url("/image.jpg"))
    preview = page.locator("#preview")
    expect(preview).to_contain_text("A walk")
    expect(preview).to_contain_text("1:40")
    wait_until(lambda: page.evaluate("document.querySelector('#preview img').naturalWidth"), 10)
    expect(preview.locator("[data-quality=best]")).to_contain_text("64.0 MB")
    expect(preview.locator("[data-quality='2160p']")).to_be_hidden()
    page.locator("[name=quality][value='2160p']").check(force=True)
    expect(preview.locator("[data-quality='2160p']")).to_contain_text("not offered")
    expect(preview.locator("[data-quality='2160p']")).to_be_visible()
    inspect(page)


def test_subtitles_that_there_are_can_be_chosen(tab: Tab) -> None:
    page = tab.open("/")
    paste(page, LINK)
    finish(thumbnail=None)
    german, english = (page.locator("#preview").get_by_role("button", name=name) for name in ("German", "English"))
    german.click()
    english.click()
    expect(german).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("2 changed")).to_be_visible()
    inspect(page)
    english.click()
    page.locator("[data-download-form] .button-primary").click()
    expect(page.locator(".job-card")).to_have_count(1)
    options = Job.objects.get().options
    assert (options["download_subtitles"], options["subtitle_languages"]) == (True, ["de"])


def test_sizes_follow_the_options(tab: Tab, origin: Origin) -> None:
    page = tab.open("/")
    paste(page, LINK)
    finish(thumbnail=origin.url("/image.jpg"))
    expect(page.locator("[data-quality='720p']")).to_contain_text("64.0 MB")
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Container").select_option("webm")
    expect(page.locator("[data-quality='720p']")).to_contain_text("12.0 MB")


def test_the_look_goes_with_its_link(tab: Tab, origin: Origin) -> None:
    page = tab.open("/")
    paste(page, LINK)
    finish(thumbnail=None)
    expect(page.locator("#preview")).to_contain_text("A walk")
    paste(page, "https://other.example/2")
    expect(page.locator("#preview")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator(".job-card")).to_have_count(2)
    paste(page, LINK)
    expect(page.locator("#preview")).to_contain_text("A walk")
    page.keyboard.press("Enter")
    expect(page.locator("#preview")).to_have_count(0)
    assert Job.objects.count() == 3
    assert Probe.objects.count() == 1


def test_a_shared_link_is_looked_at(tab: Tab) -> None:
    page = tab.open(f"/?url={LINK}")
    finish(title="كيف تصنع الخبز", thumbnail=None, uploader="x" * 300)
    expect(page.locator("#preview .job-title")).to_have_text("كيف تصنع الخبز")
    inspect(page)


def test_a_link_that_cannot_be_looked_at_says_so(tab: Tab) -> None:
    page = tab.open("/")
    paste(page, "http://user:secret@video.example/")
    expect(page.locator("[data-preview] .field-errors")).to_be_visible()
    inspect(page)


@pytest.mark.parametrize("width", [1280, 360])
def test_looks_without_script(plain_tab: Tab, origin: Origin, width: int) -> None:
    plain_tab.page.set_viewport_size({"width": width, "height": 900})
    page = plain_tab.open("/")
    page.get_by_label("Links, one on each line").fill(LINK)
    page.get_by_label("720p").check(force=True)
    page.get_by_role("button", name="Look first").click()
    expect(page.get_by_text("Looking at video.example")).to_be_visible()
    finish(thumbnail=origin.url("/image.jpg"))
    page.get_by_role("button", name="Look first").click()
    expect(page.locator("#preview")).to_contain_text("A walk")
    expect(page.locator("[data-quality='720p']")).to_contain_text("64.0 MB")
    page.get_by_role("button", name="Download").click()
    expect(page.locator(".job-card")).to_have_count(1)
    assert Job.objects.get().options["quality"] == "720p"


DROP = """text => {
  const data = new DataTransfer();
  data.items.add(new File([text], "links.txt", { type: "text/plain" }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_dropped_file_of_links_is_a_batch(tab: Tab) -> None:
    page = tab.open("/")
    page.evaluate(
        DROP, "# of today\nhttps://video.example/1\nhttps://video.example/2 (the second)\n\nhttps://video.example/3."
    )
    field = page.get_by_label("Links, one on each line")
    expect(field).to_have_value("https://video.example/1\nhttps://video.example/2\nhttps://video.example/3")
    expect(page.get_by_role("button", name="Download 3")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".job-card")).to_have_count(3)
    assert Batch.objects.count() == 1


def test_a_dropped_file_without_links_says_so(tab: Tab) -> None:
    page = tab.open("/")
    page.evaluate(DROP, "nothing of interest")
    expect(page.locator("#toasts")).to_contain_text("There is no link in that file.")
    expect(page.get_by_label("Links, one on each line")).to_have_value("")


def test_a_file_that_is_dropped_on_the_field_is_read_and_not_opened(tab: Tab, tmp_path: Path) -> None:
    links = tmp_path / "links.txt"
    links.write_text("https://video.example/1\nhttps://video.example/2\n")
    page = tab.open("/")
    field = page.get_by_label("Links, one on each line")
    box = field.bounding_box()
    assert box
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    carried = {"items": [], "files": [str(links)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "data": carried, **at})
    expect(field).to_have_value("https://video.example/1\nhttps://video.example/2")
    assert page.url == f"{tab.server.url}/"


OVER = """([type, value]) => {
  const data = new DataTransfer();
  data.items.add(type === "Files" ? new File([value], "links.txt") : value, type);
  const event = new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true });
  document.querySelector("[name=urls]").dispatchEvent(event);
  return event.defaultPrevented;
}"""


def test_text_that_is_dragged_over_the_field_is_left_to_the_browser(tab: Tab) -> None:
    page = tab.open("/")
    assert page.evaluate(OVER, ["text/plain", "words"]) is False
    assert page.evaluate(OVER, ["Files", LINK]) is True


OTHER = "https://other.example/2"


def paste_by_keyboard(page: Page, text: str) -> None:
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("ControlOrMeta+v")


@pytest.fixture
def looked_at(new_tab: OpenTab) -> Page:
    """The first page with a link and what was found out of it; the clipboard is open."""
    page = new_tab(permissions=["clipboard-read", "clipboard-write"]).open("/")
    paste(page, LINK)
    finish(thumbnail=None)
    expect(page.locator("#preview")).to_contain_text("A walk")
    page.get_by_label("Links, one on each line").focus()
    return page


def test_a_link_that_is_pasted_over_another_takes_its_place(looked_at: Page) -> None:
    page = looked_at
    page.keyboard.press("ControlOrMeta+a")
    paste_by_keyboard(page, OTHER)
    expect(page.get_by_label("Links, one on each line")).to_have_value(OTHER)
    expect(page.locator("#preview")).to_contain_text("Looking at other.example")
    finish(title="A run", thumbnail=None)
    expect(page.locator("#preview")).to_contain_text("A run")


def test_a_part_of_a_link_that_is_pasted_makes_it_another(looked_at: Page) -> None:
    page = looked_at
    page.keyboard.press("Home")
    for _ in range(len("https://")):
        page.keyboard.press("ArrowRight")
    paste_by_keyboard(page, "www.")
    expect(page.get_by_label("Links, one on each line")).to_have_value(LINK.replace("//", "//www."))
    expect(page.locator("#preview")).to_contain_text("Looking at www.video.example")


def test_what_was_found_goes_as_soon_as_the_link_is_changed(looked_at: Page) -> None:
    page = looked_at
    page.keyboard.press("End")
    page.keyboard.type("23")
    expect(page.locator("#preview")).to_have_count(0)
    assert Probe.objects.count() == 1, "nothing is looked at while somebody writes"
    page.keyboard.press("Tab")
    expect(page.locator("#preview")).to_contain_text("Looking at video.example")
    page.get_by_label("Links, one on each line").fill(LINK)
    page.keyboard.press("Tab")
    expect(page.locator("#preview")).to_contain_text("A walk")


def test_an_answer_that_comes_late_is_not_shown_beside_another_link(looked_at: Page) -> None:
    page, held = looked_at, list[Route]()
    page.route("**/preview", lambda route: held.append(route))  # noqa: PLW0108 - it marks what it is given
    page.get_by_label("Links, one on each line").fill(OTHER)
    page.keyboard.press("Tab")
    wait_until(lambda: page.evaluate("1") and held, 10)
    page.get_by_label("Links, one on each line").focus()
    page.keyboard.press("End")
    page.keyboard.type("3")
    for route in held:
        route.continue_()
    page.wait_for_timeout(500)
    expect(page.locator("#preview")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 320])
def test_a_phone_leads_to_batches_and_keys(tab: Tab, width: int) -> None:
    tab.page.set_viewport_size({"width": width, "height": 800})
    page = tab.open("/")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Batches").click()
    expect(page.get_by_role("heading", name="Batches", level=1)).to_be_visible()
    page.locator("details.menu summary").click()
    page.locator(".menu-list").get_by_role("link", name="Keys").click()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


def test_a_bookmark_brings_the_link_of_another_page(tab: Tab) -> None:
    page = tab.open("/help")
    run = page.get_by_role("link", name="Download with mediadl").get_attribute("href")
    assert run is not None
    page.goto(f"{tab.server.url}/docs/errors?a=1&b=%20")
    with page.context.expect_page() as opened:
        page.evaluate(run.removeprefix("javascript:"))
    expect(opened.value.get_by_label("Links, one on each line")).to_have_value(page.url)
    inspect(tab.open("/help"))
