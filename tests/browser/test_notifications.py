"""A download that ends is told of outside the page, and the notification leads to it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Worker, expect

from accounts.models import User
from downloads.models import Job
from tests.browser.conftest import OpenTab, Server, Tab
from tests.browser.test_live import follow
from tests.browser.test_offline import CONTROLLED
from tests.factories import JobFactory

# What the browser would draw is kept here; all before it and behind it is ours.
DRAWN = """
window.drawn = [];
const draw = (title, options) => window.drawn.push({ title, ...options });
ServiceWorkerRegistration.prototype.showNotification = async (title, options) => void draw(title, options);
window.Notification = class extends EventTarget {
  static permission = "granted";
  static requestPermission = async () => "granted";
  constructor(title, options) {
    super();
    window.last = this;
    draw(title, options);
  }
};
"""
# Nobody looks at the page, which browsers without a screen never say.
HIDDEN = """
Object.defineProperty(document, "hidden", { get: () => true });
"""
WITHOUT_WORKER = """
navigator.serviceWorker.register = async () => {};
navigator.serviceWorker.getRegistration = async () => undefined;
"""
# A click that a script makes is none to the browser: it lets nobody wait for it or take the focus.
CLICK = """
async (address) => {
  WindowClient.prototype.focus = async function () { return this; };
  await registration.showNotification("mediadl", { data: address, tag: "clicked" });
  const [notification] = await registration.getNotifications({ tag: "clicked" });
  const click = new NotificationEvent("notificationclick", { notification });
  const waits = [];
  click.waitUntil = (promise) => waits.push(promise);
  dispatchEvent(click);
  await Promise.all(waits);
  return (await registration.getNotifications({ tag: "clicked" })).length;
}
"""


@pytest.fixture
def asking_tab(new_tab: OpenTab) -> Tab:
    """Of somebody who wants to be told, and looks at something else."""
    tab = new_tab(permissions=["notifications"])
    tab.page.add_init_script(DRAWN)
    return tab


def ask(tab: Tab) -> None:
    page = tab.open("/")
    page.get_by_role("button", name="Notify me when done").click()
    expect(page.get_by_role("button", name="Notifications are on")).to_be_visible()
    page.evaluate(HIDDEN)


def drawn(tab: Tab) -> list[dict[str, str]]:
    tab.page.locator("#announcer").filter(has_text="is ready.").wait_for(state="attached")
    found: list[dict[str, str]] = tab.page.evaluate("window.drawn")
    return found


def test_a_job_that_ends_on_the_server_is_told_of_and_a_click_leads_to_it(
    asking_tab: Tab, server: Server, user: User
) -> None:
    job = JobFactory(owner=user, running=True, stage="downloading", title="A walk")
    ask(asking_tab)
    page = asking_tab.page
    page.evaluate(CONTROLLED)
    follow(page, job)
    job.complete()
    [told] = drawn(asking_tab)
    assert (told["title"], told["body"], told["tag"]) == ("mediadl", "A walk is ready.", str(job.pk))
    assert told["icon"].startswith(f"{server.url}/static/icons/")
    [worker] = page.context.service_workers
    assert click(worker, told["data"]) == 0
    expect(page).to_have_url(f"{server.url}/jobs/{job.pk}")
    expect(page.get_by_role("heading", level=1)).to_have_text("A walk")


def click(worker: Worker, address: str) -> int:
    """How many notifications are left after a click on one that leads to `address`."""
    left: int = worker.evaluate(CLICK, address)
    return left


def test_without_a_service_worker_the_page_itself_tells_and_leads(asking_tab: Tab, server: Server, user: User) -> None:
    job = JobFactory(owner=user, running=True, stage="downloading", title="A walk")
    asking_tab.page.add_init_script(WITHOUT_WORKER)
    ask(asking_tab)
    follow(asking_tab.page, job)
    job.complete()
    [told] = drawn(asking_tab)
    assert told["body"] == "A walk is ready."
    asking_tab.page.evaluate("window.last.dispatchEvent(new Event('click'))")
    expect(asking_tab.page).to_have_url(f"{server.url}/jobs/{job.pk}")


def test_nobody_is_told_who_did_not_ask_or_looks_at_the_page(asking_tab: Tab, user: User) -> None:
    jobs: list[Job] = [JobFactory(owner=user, running=True, title=f"A walk {number}") for number in (1, 2)]
    page = asking_tab.open("/")
    page.evaluate(HIDDEN)
    follow(page, jobs[0])
    jobs[0].complete()
    assert drawn(asking_tab) == []
    page.reload()
    page.get_by_role("button", name="Notify me when done").click()
    follow(page, jobs[1])
    jobs[1].complete()
    assert drawn(asking_tab) == []
