from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

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


def test_the_check_loads_neither_django_nor_the_product() -> None:
    script = "import mediadl.healthcheck, sys; sys.exit(bool({'django', 'downloads', 'accounts'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=20).returncode == 0
