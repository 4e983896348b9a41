"""Debian's Chromium on the product's own web server, which shares the tests' database."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client, override_settings
from playwright.sync_api import Browser, ConsoleMessage, Page
from pytest_django import Settings

from accounts.models import User
from downloads import storage
from downloads.models import Job, MediaFile, Node
from tests.engine.guard.peers import guard_process
from tests.factories import JobFactory, MediaFileFactory
from tests.origin import Origin
from tests.product import free_port
from tests.web.test_lists import entry, read_list

# Playwright runs an event loop in the thread of the tests.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery staple"
# Said aloud, since the next page knows nothing of what was wrong with the one before.
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => console.error(
  `broke the policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""
# Chromium calls every refusal an error, and a form that is sent back with 422 is none; htmx calls it one that a search
# was taken back for a newer one.
HARMLESS = ("status of 422", "htmx:sendAbort", "htmx:afterRequest")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    url: str
    data_dir: Path


@pytest.fixture(scope="session")
def guard_url() -> Iterator[str]:
    """The real guard, to which loopback is open: pictures of other sites come by it."""
    with guard_process(EGRESS_ALLOW="127.0.0.1") as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.fixture(scope="session")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory, guard_url: str
) -> Iterator[Server]:
    directory, port = tmp_path_factory.mktemp("web"), free_port()
    url = f"http://127.0.0.1:{port}"
    with django_db_blocker.unblock():
        database = f"sqlite:///{connection.settings_dict['NAME']}"
    environment = os.environ | {
        "DATABASE_URL": database,
        "DATA_DIR": str(directory),
        "PUBLIC_BASE_URL": url,
        "MEDIADL_TESTING": "1",
        # Or it would not know the sessions that the tests make.
        "SECRET_KEY": django_settings.SECRET_KEY,
        "LINK_KEYS": ",".join(django_settings.LINK_KEYS),
        "STORAGE_RESERVE_BYTES": "0",
        "GUARD_URL": guard_url,
    }
    command = [sys.executable, "-m", "uvicorn", "mediadl.asgi:application", "--port", str(port), "--no-access-log"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        wait_for_answer(f"{url}/api/v1/health/live", process)
        yield Server(url=url, data_dir=directory)
    finally:
        process.kill()
        process.wait()


def wait_for_answer(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.05)
    raise RuntimeError("the web server did not answer")


# --- Who is there -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def media_root(server: Server, settings: Settings) -> None:
    """Files that a test publishes are where the server looks for them."""
    settings.DATA_DIR, settings.PUBLIC_BASE_URL = server.data_dir, server.url
    settings.FILES_ROOT, settings.WORK_ROOT = server.data_dir / "files", server.data_dir / "work"
    storage.ensure_roots()


@pytest.fixture(scope="session")
def password_hash() -> str:
    """Of PASSWORD, made once: it takes its time, as it should."""
    return make_password(PASSWORD)


@pytest.fixture
def user(transactional_db: None, password_hash: str) -> User:
    Node.objects.pulse("node-1", slots=4)
    return User.objects.create(username="ada", password=password_hash, is_staff=True, is_superuser=True)


@pytest.fixture
def session(user: User) -> str:
    """The cookie of a person who is signed in."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def fail_to_sign_in(name: str, times: int) -> None:
    """From this machine, as the browser does, but without the time that a password takes."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        for _ in range(times):
            Client().post("/accounts/sign-in/", {"username": name, "password": "wrong"})


# --- What they look at ------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Tab:
    """A page in the browser, and whatever it and the windows that it opens complain of: the test fails by it."""

    server: Server
    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(self.server.url + path)
        return self.page

    def follow(self, path: str) -> Page:
        """Opened, and from here on told of what happens."""
        with self.page.expect_response(re.compile(r"/events$")):
            return self.open(path)

    def expect_complaint(self, *patterns: str) -> None:
        """What the test brings about by itself: each of it has to come, and still nothing else may."""
        self.expected += patterns

    def listen(self) -> None:
        context = self.page.context
        context.add_init_script(WATCH)
        context.on("console", lambda message: self._hear(message))  # noqa: PLW0108 - it marks what it is given
        context.on("weberror", lambda error: self.complaints.append(f"uncaught: {error.error}"))
        context.on("request", lambda request: self._see(request.url))

    def troubles(self) -> list[str]:
        """Complaints that nobody expected, and expected ones that did not come."""
        # What the page has still to say comes before its answer.
        self.page.evaluate("0")
        unexpected = [said for said in self.complaints if not any(re.search(each, said) for each in self.expected)]
        missing = [each for each in self.expected if not any(re.search(each, said) for said in self.complaints)]
        return [*unexpected, *(f"no complaint: {each}" for each in missing)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(each in message.text for each in HARMLESS):
            self.complaints.append(message.text)

    def _see(self, url: str) -> None:
        if not url.startswith((self.server.url, "data:")):
            self.complaints.append(f"left the site: {url}")


OpenTab = Callable[..., Tab]


@pytest.fixture
def new_tab(chromium: Browser, server: Server, session: str) -> Iterator[OpenTab]:
    """Makes tabs. The test fails when a page complains, breaks the policy or leaves the site, and did not say so."""
    tabs: list[Tab] = []

    def make(*, is_signed_in: bool = True, width: int = 1280, locale: str = "en-GB", **options: Any) -> Tab:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, locale=locale, **({"reduced_motion": "reduce"} | options)
        )
        context.set_default_timeout(8_000)
        if is_signed_in:
            context.add_cookies([{"name": "sessionid", "value": session, "url": server.url}])
        tab = Tab(server=server, page=context.new_page())
        tab.listen()
        tabs.append(tab)
        return tab

    yield make
    # Before they are closed: requests that this cuts off are no trouble.
    troubles = [trouble for tab in tabs for trouble in tab.troubles()]
    for tab in tabs:
        tab.page.context.close()
    assert troubles == []


@pytest.fixture
def tab(new_tab: OpenTab) -> Tab:
    """Signed in."""
    return new_tab()


@pytest.fixture
def plain_tab(new_tab: OpenTab) -> Tab:
    """Signed in, with a browser that runs no script."""
    return new_tab(java_script_enabled=False)


@pytest.fixture(scope="session")
def known_types(django_db_setup: None, django_db_blocker: Any) -> list[ContentType]:
    with django_db_blocker.unblock():
        return list(ContentType.objects.all())


@pytest.fixture
def content_types(transactional_db: None, known_types: list[ContentType]) -> None:
    """With the same ids in every test: the server remembers them, and writes them into the admin's log."""
    Permission.objects.all().delete()
    ContentType.objects.all().delete()
    ContentType.objects.bulk_create(known_types)
    ContentType.objects.clear_cache()


# --- What there is to look at -----------------------------------------------------------------------------------


@pytest.fixture
def finished(user: User, media_dir: Path) -> Callable[..., Job]:
    """Makes a job with a real video behind it."""

    def make(**fields: Any) -> Job:
        job = JobFactory(owner=user, finished=True, **fields)
        publish(job, media_dir / "clip.mp4", is_main=True)
        return job

    return make


MakeList = Callable[..., str]


@pytest.fixture
def list_of(user: User, origin: Origin) -> MakeList:
    """The address of a list's page; its pictures are there."""

    def make(count: int, **fields: Any) -> str:
        items = [entry(number, thumbnail=origin.url(f"/image.jpg?{number}")) for number in range(1, count + 1)]
        return f"/lists/{read_list(user, **({'items': items} | fields)).pk}"

    return make


def publish(job: Job, source: Path, **facts: Any) -> MediaFile:
    content = source.read_bytes()
    file: MediaFile = MediaFileFactory(job=job, filename=source.name, size_bytes=len(content), **facts)
    path = storage.path_of(file.storage_key)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return file
