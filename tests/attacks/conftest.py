from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.attacks.enclave import ROOT
from tests.attacks.forays import Enclave
from tests.attacks.products import own_product
from tests.origin import media_directory
from tests.product import Product

collect_ignore_glob = [] if os.environ.get("ATTACKS") else ["test_long_*.py"]
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


@pytest.fixture(scope="session")
def enclave() -> Iterator[Enclave]:
    """Fails where namespaces cannot be had: a promise that was not put to the test is not kept."""
    media_directory()
    directory = Path(tempfile.mkdtemp(prefix="enclave"))
    kind = ["--net", "--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net", "--mount"]
    command = ["unshare", *kind, sys.executable, "-m", "tests.attacks.enclave", "world", str(directory)]
    if missing := [name for name in ("unshare", "ip") if not shutil.which(name)]:
        pytest.fail(
            f"The attacks on the egress guard need {' and '.join(missing)} (apt-get install iproute2 util-linux)"
        )
    with (directory / "errors").open("wb") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdin
    assert process.stdout
    try:
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"No network namespaces: {(directory / 'errors').read_text()}")
        yield Enclave(directory=directory, ports=json.loads(line))
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One for the tests that leave it running."""
    with own_product(tmp_path_factory.mktemp("attacked"), LOG_FORMAT="json") as running:
        yield running


@pytest.fixture(scope="package")
def operator(chromium: Browser, product: Product) -> Iterator[BrowserContext]:
    """A browser in which the first operator has signed in, by the link of the first start."""
    with chromium.new_context(locale="en-GB", base_url=f"http://127.0.0.1:{product.port}") as context:
        context.set_default_timeout(10_000)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.goto(product.sign_in_link())
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/")
        page.close()
        yield context


@pytest.fixture
def page(operator: BrowserContext) -> Iterator[Page]:
    page = operator.new_page()
    yield page
    page.close()
