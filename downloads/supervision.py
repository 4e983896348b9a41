"""What runs on this node, and the pulse that keeps it honest: rings, beats, and the node's own row."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from downloads import bell, diagnosis, workers
from downloads.models import Job, Node
from downloads.processes import Service

PULSE_SECONDS = 10.0
SILENT_CLUSTER_SECONDS = 25.0
QUEUES = (bell.CONTROL, bell.DOWNLOAD, bell.PROBE)


def services(parts: frozenset[str], web_socket: socket.socket | None) -> list[Service]:
    """The services of `parts` ("web", "worker"), in the order in which they start."""
    chosen: list[Service] = []
    environment = dict(os.environ)
    if "worker" in parts:
        chosen += _engine_services(environment)
        chosen += [_cluster(queue, environment) for queue in QUEUES]
    if "web" in parts and web_socket is not None:
        chosen.append(_web(web_socket, environment))
    return chosen


def _engine_services(environment: dict[str, str]) -> list[Service]:
    """The guard and the fork server; the clusters learn from `environment` where they are."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    listener.set_inheritable(True)
    # Unix socket paths are short; DATA_DIR may not be.
    directory = Path(tempfile.mkdtemp(prefix="mediadl-"))
    environment["GUARD_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}"
    environment["ENGINE_SOCKET"] = str(directory / "engine.sock")
    stats = Path(settings.RUN_ROOT) / "guard.json"
    egress = {
        "EGRESS_ALLOW": settings.EGRESS_ALLOW,
        "EGRESS_PORTS": settings.EGRESS_PORTS,
        "EGRESS_DOMAINS_BLOCKED": ",".join(settings.BLOCKED_DOMAINS),
    }
    guard = Service(
        "guard",
        [sys.executable, "-m", "downloads.engine.guard", "--fd", str(listener.fileno()), "--stats", str(stats)],
        environment=_bare() | egress,
        pass_fds=(listener.fileno(),),
        stop_order=2,
    )
    engine = Service(
        "engine",
        [sys.executable, "-m", "downloads.engine.forkserver", "--socket", environment["ENGINE_SOCKET"]],
        environment=_bare(),
        stop_order=2,
    )
    # The listener must outlive this function: the guard inherits it at every restart.
    guard.listener = listener  # type: ignore[attr-defined]
    return [guard, engine]


def _bare() -> dict[str, str]:
    """No secrets for what touches the network."""
    kept = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"PYTHONPATH": str(settings.BASE_DIR)}


def _cluster(queue: str, environment: dict[str, str]) -> Service:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "cluster", queue]
    return Service(queue, command, environment=environment | {"Q_CLUSTER_NAME": queue}, stop_order=1)


def _web(web_socket: socket.socket, environment: dict[str, str]) -> Service:
    web_socket.set_inheritable(True)
    command = [sys.executable, "-m", "mediadl.serve", "--fd", str(web_socket.fileno())]
    return Service("web", command, environment=environment, pass_fds=(web_socket.fileno(),), stop_order=0)


class Pulse:
    """Rings each cluster in turn, restarts the ones that do not answer, and tells the others that we live."""

    def __init__(self, clusters: list[Service], say: Callable[[str], None]) -> None:
        self.clusters = clusters
        self.say = say
        self.next_at = 0.0
        self.rung_at: dict[str, float] = {}

    def beat(self) -> None:
        if time.monotonic() < self.next_at:
            return
        self.next_at = time.monotonic() + PULSE_SECONDS
        try:
            self._ring_and_check()
            Node.objects.pulse(settings.NODE_NAME, **diagnosis.node_facts())
        except (DatabaseError, InterfaceError):
            # Away: nobody could have answered, so nobody is late.
            connection.close()
            self.rung_at.clear()

    def _ring_and_check(self) -> None:
        for cluster in self.clusters:
            if self._is_silent(cluster):
                self.say(f"{cluster.name} does not answer; starting it again")
                cluster.kill()
                self.rung_at.pop(cluster.name, None)
            bell.ring(cluster.name)
            self.rung_at.setdefault(cluster.name, time.time())

    def _is_silent(self, cluster: Service) -> bool:
        rung_at = self.rung_at.get(cluster.name)
        if rung_at is None or not cluster.is_running:
            return False
        waited = time.time() - rung_at
        if workers.seconds_since_beat(cluster.name) < waited:
            self.rung_at.pop(cluster.name)
            return False
        return waited > SILENT_CLUSTER_SECONDS and not self._is_fully_busy(cluster)

    def _is_fully_busy(self, cluster: Service) -> bool:
        """Slots that all run jobs cannot answer, and their heartbeats speak for them."""
        if cluster.name != bell.DOWNLOAD:
            return False
        return Job.objects.on_node(settings.NODE_NAME).count() >= settings.WORKERS
