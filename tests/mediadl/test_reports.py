"""What a Sentry-compatible server is told of an error, and what it is not."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import brotli
import pytest

from mediadl.reports import scrubbed
from tests.project.tree import ROOT

UNPACK: dict[str | None, Callable[[bytes], bytes]] = {None: bytes, "gzip": gzip.decompress, "br": brotli.decompress}
SECRETS = ("hidden-query", "hidden-key", "hidden-cookie", "hidden-body", "hidden-local", "hidden-password")
PROGRAM = """
import django; django.setup()
import logging, sentry_sdk
from django.test import Client
from django.urls import path
from mediadl import urls

def fail(request):
    local = "hidden-local"
    raise ZeroDivisionError("no route to https://ada:hidden-password@site.example/watch?token=hidden-query")

urls.urlpatterns.append(path("fails", fail))
headers = {"X-API-Key": "hidden-key", "Cookie": "a=hidden-cookie"}
client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1", headers=headers)
assert client.post("/fails?q=hidden-query", {"field": "hidden-body"}).status_code == 500
logging.getLogger("downloads").error("lost %s", "https://site.example/?token=hidden-query")
sentry_sdk.flush(10)
"""


@contextmanager
def ingest() -> Iterator[tuple[int, list[str]]]:
    """A server that takes every envelope: its port, and what came."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append(UNPACK[self.headers.get("Content-Encoding")](body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1], came
        finally:
            server.shutdown()
            thread.join()


def run(dsn: str, directory: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "mediadl.settings",
        "MEDIADL_TESTING": "1",
        "DATA_DIR": str(directory),
        "SENTRY_DSN": dsn,
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr


def test_errors_arrive_without_anything_personal(tmp_path: Path) -> None:
    with ingest() as (port, came):
        run(f"http://public@127.0.0.1:{port}/1", tmp_path)
    told = "\n".join(came)
    assert "ZeroDivisionError" in told
    assert "https://site.example/watch?..." in told
    assert "/fails" in told
    assert "lost https://site.example/" in told
    assert [secret for secret in SECRETS if secret in told] == []


def test_without_a_server_nothing_is_sent(tmp_path: Path) -> None:
    with ingest() as (_, came):
        run("", tmp_path)
    assert came == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "/files/0192b1c4-0000-7000-8000-000000000000/Title.mp4 failed",
            "/files/0192b1c4-0000-7000-8000-000000000000/...",
        ),
        ("http://here/sign-in/link/abcdef", "http://here/sign-in/link/..."),
        ("http://here/s/abcdef/Title.mp4", "http://here/s/..."),
        ("https://u:p@a.example/x", "https://a.example/x"),
    ],
)
def test_paths_that_are_secrets_are_cut(text: str, shown: str) -> None:
    event = scrubbed({"exception": {"values": [{"type": "Error", "value": text}]}, "user": {"id": 1}}, None)
    assert event["exception"]["values"][0]["value"].startswith(shown)
    assert "user" not in event
