from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mediadl import healthcheck


class Web(BaseHTTPRequestHandler):
    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Web]]:
    handler = type("Handler", (Web,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        monkeypatch.setenv("PORT", str(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield handler
        server.shutdown()
        thread.join()


def test_a_node_that_answers_is_healthy(web: type[Web]) -> None:
    assert healthcheck.main() == 0
    assert web.asked == ["/api/v1/health/live"]


@pytest.mark.parametrize("status", [204, 404, 500, 503])
def test_any_answer_but_200_is_unhealthy(web: type[Web], status: int) -> None:
    web.status = status
    assert healthcheck.main() == 1


def test_a_port_where_nobody_listens_is_unhealthy_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("PORT", str(port))
    assert healthcheck.main() == 1
    assert "refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        b"tini\0--\0python\0manage.py\0up\0--only\0worker\0",
        b"/sbin/docker-init\0--\0tini\0--\0python\0manage.py\0up\0--only=worker\0",
        b"sh\0-c\0exec python manage.py up --only worker\0",
    ],
)
def test_a_container_of_workers_alone_is_not_asked_for_a_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, web: type[Web], command: bytes
) -> None:
    first = tmp_path / "cmdline"
    first.write_bytes(command)
    monkeypatch.setattr(healthcheck, "FIRST_PROCESS", first)
    web.status = 503
    assert healthcheck.main() == 0
    assert web.asked == []


@pytest.mark.parametrize(
    "command",
    [b"tini\0--\0python\0manage.py\0up\0", b"tini\0--\0python\0manage.py\0up\0--only\0web\0", b"", None],
)
def test_every_other_container_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, web: type[Web], command: bytes | None
) -> None:
    first = tmp_path / "cmdline"
    if command is not None:
        first.write_bytes(command)
    monkeypatch.setattr(healthcheck, "FIRST_PROCESS", first)
    web.status = 503
    assert healthcheck.main() == 1


def test_the_check_loads_neither_django_nor_the_product() -> None:
    script = "import mediadl.healthcheck, sys; sys.exit(bool({'django', 'downloads', 'accounts'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=20).returncode == 0
