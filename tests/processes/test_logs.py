"""LOG_FORMAT=json: a machine that reads the log of the whole product finds an object in each line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.origin import Origin
from tests.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

# What `up` tells the person who started it.
SAID = "mediadl: "


def test_every_line_of_every_process_is_an_object(tmp_path: Path, origin: Origin) -> None:
    with Product(tmp_path, LOG_FORMAT="json", LOG_LEVEL="INFO") as product:
        product.wait_for_engine()
        product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"])
        product.wait_for(product.submit("http://10.0.0.1/clip.mp4")["request_id"])
        refused = product.api.post("/download", params={"token": "hidden"}, json={"url": "nonsense"})
        assert refused.status_code == 400
    lines = [line for line in product.log().splitlines() if line and not line.startswith(SAID)]
    found = [json.loads(line) for line in lines]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in found)
    (line,) = [line for line in found if line.get("request_id") == refused.headers["X-Request-ID"]]
    assert (line["event"], line["path"], line["status"]) == ("request", "/api/v1/download", 400)
    assert "hidden" not in product.log()
    assert {"mediadl.guard", "downloads.engine.forkserver"} <= {line.get("logger") for line in found}
