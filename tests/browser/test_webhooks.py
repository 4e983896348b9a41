"""The pages of webhooks: axe in both themes, narrow screens, and the way by keyboard and without a script."""

from __future__ import annotations

from accounts.models import User
from tests.browser.conftest import Tab
from tests.browser.test_accessibility import UNBROKEN, inspect
from webhooks import outbox
from webhooks.models import Delivery, DisabledReason, Endpoint, Failure


def made(user: User) -> Endpoint:
    """With a delivery that was given up, and one that waits."""
    address = f"https://hooks.example.org/{UNBROKEN[-400:]}"
    endpoint, _ = Endpoint.objects.add(user, url=address, events=["download.completed"], description="the archive")
    outbox.record_test(endpoint)
    Delivery.objects.bury(Failure.TIMEOUT)
    Delivery.objects.update(response_excerpt="<b>no</b> " + "x" * 500, response_status=500)
    outbox.record_test(endpoint)
    return endpoint


def test_the_list_and_a_webhook_with_its_deliveries(tab: Tab, user: User) -> None:
    endpoint = made(user)
    Endpoint.objects.of_requests(user.pk)
    Endpoint.objects.add(user, url="https://off.example/", events=["download.failed"])[0].disable(DisabledReason.OWNER)
    inspect(tab.open("/webhooks/"))
    page = tab.open(f"/webhooks/{endpoint.pk}/")
    inspect(page)
    page.get_by_role("link", name="webhook.test").last.click()
    page.get_by_role("heading", name="What is sent").wait_for()
    inspect(page)


def test_a_new_webhook_by_keyboard(tab: Tab) -> None:
    page = tab.open("/webhooks/")
    page.get_by_role("textbox", name="Address").focus()
    page.keyboard.type("https://hooks.example.org/mediadl")
    page.keyboard.press("Enter")
    page.get_by_text("Copy it now").wait_for()
    inspect(page)
    page.get_by_role("link", name="To the webhook").click()
    page.get_by_role("button", name="Send a test").focus()
    page.keyboard.press("Enter")
    page.get_by_text("A test message is on its way").wait_for()


def test_without_a_script(plain_tab: Tab, user: User) -> None:
    endpoint = made(user)
    page = plain_tab.open(f"/webhooks/{endpoint.pk}/?status=dead")
    page.get_by_role("button", name="Send again").click()
    page.get_by_text("The message is sent again").wait_for()
    page.get_by_role("button", name="Disable").click()
    page.get_by_text("Disabled: it is told nothing").wait_for()


def test_what_comes_of_a_message_is_shown_by_itself_and_no_longer_than_it_moves(tab: Tab, user: User) -> None:
    endpoint, _ = Endpoint.objects.add(user, url="https://hooks.example.org/", events=["download.completed"])
    tab.page.clock.install()
    page = tab.open(f"/webhooks/{endpoint.pk}/")
    page.get_by_role("button", name="Send a test").click()
    page.locator("#deliveries").get_by_text("Waiting", exact=True).nth(1).wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for _ in range(2):
        with page.expect_request(lambda request: str(endpoint.pk) in request.url):
            pass
    Delivery.objects.bury(Failure.TIMEOUT)
    page.locator("#deliveries").get_by_text("It took too long").wait_for()
    asked.clear()
    page.clock.run_for(10_000)
    page.wait_for_timeout(100)
    assert asked == []
    assert page.locator("#deliveries").count() == 1
