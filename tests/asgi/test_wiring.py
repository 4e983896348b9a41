"""The product's own application: that it is put together, starts and stops."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

import mediadl.asgi
from tests.asgi.server import REPOSITORY, serve


def test_the_dotted_paths_lead_to_what_the_layers_call() -> None:
    source = import_string(settings.EVENT_SOURCE)()
    assert callable(source.snapshot)
    assert callable(source.poll)
    assert callable(import_string(settings.FILE_SENT_CALLBACK))


def test_the_package_gives_out_its_application_and_nothing_else() -> None:
    assert callable(mediadl.asgi.application)
    with pytest.raises(AttributeError, match="get_application"):
        mediadl.asgi.get_application  # noqa: B018


def test_the_layers_are_used_without_django() -> None:
    modules = (
        "bridge, client, deliveries, edge, events, exchange, files, hub, messages, pictures, ranges, reading, streams, "
        "threads"
    )
    check = f"import sys; from mediadl.asgi import {modules}; sys.exit(bool({{'django', 'httpx'}} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", check], cwd=REPOSITORY, check=True, timeout=20)


@pytest.mark.processes
def test_the_product_answers_and_stops(tmp_path: Path) -> None:
    with serve(
        tmp_path, tmp_path / "log", "mediadl.asgi:application", DATA_DIR=str(tmp_path / "data"), MEDIADL_TESTING="1"
    ) as server:
        alive = server.get("/api/v1/health/live", host="127.0.0.1")
        assert alive.status_code == 200, server.log.read_text()
        assert alive.headers["x-request-id"]
        assert not [name for name in alive.headers if name.startswith("x-accel")]
        missing = server.get("/api/v1/no-such-thing/%ff%00?q=%ff", host="127.0.0.1")
        assert missing.status_code == 404
        assert server.stop() < 3
