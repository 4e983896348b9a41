"""What runs on this node, and the pulse that keeps it honest: rings, beats, and the node's own row."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from downloads import bell, clusters, diagnosis, server, workers
from downloads.guard_counts import GuardCounts
from downloads.models import Job, Node
from downloads.processes import Service, fork
from downloads.succession import EngineService, bare_python

PULSE_SECONDS = 10.0
SILENT_CLUSTER_SECONDS = 25.0
# The kernel allows 107; the fork server adds its pid while it starts.
MAX_SOCKET_PATH = 90
QUEUES = (bell.CONTROL, bell.DOWNLOAD, bell.PROBE)


def services(parts: frozenset[str], web_socket: socket.socket | None) -> list[Service]:
    """The services of `parts` ("web", "worker"), in the order in which they start."""
    chosen: list[Service] = []
    if "worker" in parts:
        clusters.preload()
        chosen += _engine_services()
        chosen += [Service(queue, fork(partial(clusters.run, queue)), stop_order=1) for queue in QUEUES]
    if "web" in parts and web_socket is not None:
        # All accept on one socket; two spread the load where the database bears two writers.
        launch = fork(partial(server.run, web_socket))
        chosen += [Service("web", launch, stop_order=0) for _ in range(settings.WEB_WORKERS)]
    return chosen


def _engine_services() -> list[Service]:
    """The guard and the fork server; workers learn from the settings where they are."""
    settings.ENGINE_SOCKET = _engine_socket()
    # One that runs elsewhere is the only way out of the network that this node is in.
    guards = [] if settings.GUARD_URL else [_guard_service()]
    return [*guards, EngineService(settings.ENGINE_SOCKET)]


def _guard_service() -> Service:
    # Held by this process, so that the guard has the same port after a restart.
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    answer_at_once(listener)
    listener.set_inheritable(True)
    descriptor = listener.detach()
    settings.GUARD_URL = f"http://127.0.0.1:{_port_of(descriptor)}"
    guard = ["-m", "downloads.engine.guard", "--fd", str(descriptor), "--stats", str(_guard_stats())]
    guard += ["--log-format", settings.LOG_FORMAT]
    return Service("guard", bare_python(guard, _egress(), [descriptor]), stop_order=2)


def _guard_stats() -> Path:
    return Path(settings.RUN_ROOT) / "guard.json"


def _engine_socket() -> Path:
    """In DATA_DIR, unless that is too long for the path of a Unix socket: then where the next start finds it again."""
    chosen = Path(settings.RUN_ROOT) / "engine.sock"
    if len(bytes(chosen)) <= MAX_SOCKET_PATH:
        return chosen
    short = Path(tempfile.gettempdir()) / f"mediadl-{hashlib.sha256(bytes(chosen)).hexdigest()[:16]}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{short} is not a directory of ours alone: remove it, or choose a shorter DATA_DIR")
    return short / chosen.name


def _egress() -> dict[str, str]:
    return {
        "EGRESS_ALLOW": settings.EGRESS_ALLOW,
        "EGRESS_PORTS": settings.EGRESS_PORTS,
        "EGRESS_DOMAINS_BLOCKED": ",".join(settings.BLOCKED_DOMAINS),
    }


def answer_at_once(listener: socket.socket) -> None:
    """Connections inherit it. asyncio sets it only on sockets that name their protocol, which these do not:
    on a kept connection an answer would then wait 40 ms for the client's acknowledgement.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _port_of(descriptor: int) -> int:
    with socket.socket(fileno=os.dup(descriptor)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A ring that waits for its answer: a beat after `beat_before`."""

    at: float
    beat_before: int

    @classmethod
    def now(cls, queue: str) -> Ring:
        return cls(at=time.monotonic(), beat_before=workers.last_beat(queue))


class Pulse:
    """Rings each cluster in turn, restarts the ones that do not answer, and tells the others that we live."""

    def __init__(self, clusters: list[Service], say: Callable[[str], None]) -> None:
        self.clusters = clusters
        self.say = say
        self.next_at = 0.0
        self.unanswered: dict[str, Ring] = {}
        # Where no cluster runs, no guard does: the file would be that of another node.
        self.guard_counts = GuardCounts(_guard_stats()) if clusters else None
        self.slots = settings.WORKERS if bell.DOWNLOAD in {cluster.name for cluster in clusters} else 0

    def beat(self) -> None:
        if time.monotonic() < self.next_at:
            return
        self.next_at = time.monotonic() + PULSE_SECONDS
        try:
            if diagnosis.storage_directory().status == "error":
                # Neither can they say that they live, nor is there work for them.
                self.unanswered.clear()
            self._ring_and_check()
            Node.objects.pulse(settings.NODE_NAME, slots=self.slots, **diagnosis.node_facts())
            if self.guard_counts is not None:
                self.guard_counts.carry_over()
        except (DatabaseError, InterfaceError):
            # Away: nobody could have answered, so nobody is late.
            connection.close()
            self.unanswered.clear()

    def end(self) -> None:
        """Nobody is to miss a node that was told to stop."""
        with contextlib.suppress(DatabaseError, InterfaceError):
            Node.objects.filter(pk=settings.NODE_NAME).delete()

    def _ring_and_check(self) -> None:
        for cluster in self.clusters:
            if self._is_silent(cluster):
                self.say(f"{cluster.name} does not answer; starting it again")
                cluster.kill()
                self.unanswered.pop(cluster.name, None)
            self.unanswered.setdefault(cluster.name, Ring.now(cluster.name))
            if not bell.ring_here(cluster.name):
                self.unanswered.pop(cluster.name)

    def _is_silent(self, cluster: Service) -> bool:
        ring = self.unanswered.get(cluster.name)
        if ring is None or not cluster.is_running:
            return False
        if workers.last_beat(cluster.name) != ring.beat_before:
            self.unanswered.pop(cluster.name)
            return False
        return time.monotonic() - ring.at > SILENT_CLUSTER_SECONDS and not self._is_fully_busy(cluster)

    def _is_fully_busy(self, cluster: Service) -> bool:
        """Slots that all run jobs cannot answer, and their heartbeats speak for them."""
        if cluster.name != bell.DOWNLOAD:
            return False
        return Job.objects.on_node(settings.NODE_NAME).count() >= settings.WORKERS
