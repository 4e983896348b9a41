from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.test import Client
from playwright.sync_api import Browser, sync_playwright

from tests.described import watch_client
from tests.origin import Origin
from tests.origin import media_directory as made_media
from tests.programs import skip_what_cannot_run
from tests.promises import keep_those_of

CHROMIUM = "/usr/bin/chromium"

# What is generated is to be right, not fast: how long one example takes says more of the machine than of the code.
hypothesis.settings.register_profile("mediadl", deadline=None)
hypothesis.settings.load_profile("mediadl")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--promise", metavar="ID", help="run only the tests of this row of docs/promises.md, such as P7")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if promise := config.getoption("--promise"):
        keep_those_of(promise, config, items)
    skip_what_cannot_run(items)


@pytest.fixture(scope="session", autouse=True)
def described_answers() -> Iterator[None]:
    """No test may be answered by the API with what its description does not list."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "request", watch_client(Client.request))
        yield


@pytest.fixture(scope="session")
def origin() -> Iterator[Origin]:
    """One for the session: tests that read its log look at paths of their own, or clear it first."""
    with Origin() as running:
        yield running


@pytest.fixture(scope="session")
def media_dir() -> Path:
    """Real media files, to read only: clip.mp4, audio.mp3, hls/..., as the origin serves them."""
    return made_media()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One for the session: Playwright can be started once in a process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()
