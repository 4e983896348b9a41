"""Without a connection people are told so, by a page that their browser has kept."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Tab

# Without polling, for which Playwright would need eval, and our policy has none.
CONTROLLED = """() => navigator.serviceWorker.controller !== null || new Promise((controlled) =>
  navigator.serviceWorker.addEventListener("controllerchange", () => controlled(true), { once: true }))"""


def test_a_page_that_cannot_be_reached_says_so_and_comes_back_by_itself(tab: Tab) -> None:
    page = tab.open("/")
    page.evaluate(CONTROLLED)
    page.context.set_offline(True)
    page.goto(tab.server.url + "/library")
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
    box = page.get_by_role("link", name="Try again").bounding_box()
    assert box is not None
    assert box["height"] >= 40, "it is drawn with the styles that were kept"
    page.context.set_offline(False)
    expect(page.get_by_role("heading", name="Library", exact=True)).to_be_visible()


def test_the_browser_keeps_that_page_alone(tab: Tab) -> None:
    page = tab.open("/library")
    page.evaluate(CONTROLLED)
    kept = page.evaluate(
        """async () => {
          const names = await caches.keys();
          const caches_ = await Promise.all(names.map((name) => caches.open(name)));
          const requests = (await Promise.all(caches_.map((each) => each.keys()))).flat();
          return requests.map((request) => new URL(request.url).pathname);
        }"""
    )
    assert "/offline" in kept
    assert [path for path in kept if not path.startswith(("/offline", "/static/"))] == []
