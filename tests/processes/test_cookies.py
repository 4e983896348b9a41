"""Cookies are where an attempt can read them for as long as it lasts, however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.origin import Origin
from tests.product import Product, wait_until

pytestmark = [pytest.mark.promise("S9"), pytest.mark.processes]
MakeProduct = Callable[..., Product]
LINE = "127.0.0.1\tFALSE\t/\tFALSE\t4102444800\tsession\tzq\n"


def test_a_killed_worker_leaves_no_cookies_behind(fresh_product: MakeProduct, origin: Origin) -> None:
    product = fresh_product()
    cookies = product.api.post("/auth/cookies", json={"name": "of a site", "cookies": LINE}).json()["cookie_id"]
    url = origin.url("/needs-cookie/session/zq/slow/20000/clip.mp4")
    job = product.submit(url, cookies_id=cookies)["request_id"]
    lent = product.data_dir / "run" / "cookies"
    first = wait_until(lambda: next((file for file in lent.glob("*.txt") if "zq" in file.read_text()), None), 60)
    assert first.stat().st_mode & 0o777 == 0o600

    for pid in product.tree("mediadl: download"):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not first.exists(), 45, what="the end of the cookies that were lent")

    assert product.wait_for(job, seconds=90)["status"] == "completed"
    assert list(lent.iterdir()) == []
