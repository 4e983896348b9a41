"""Wake-ups: django-q2 tasks that say *look at the table*, and datagrams that say *look now*.

A ring is a row of django-q2's queue, committed with the change that caused it. A knock is a datagram on this machine
that spares the listener its polling interval. Both may be lost, doubled or late: the job's row is the truth.

Whom a knock wakes wants a processor and, on SQLite, the lock. So the web process keeps the knocks of its submissions
for the moment in which no request waits for a thread: of forty at once, each would be delayed by those before it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import socket
import time
import uuid

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.brokers import Broker, get_broker
from django_q.conf import Conf
from django_q.signing import SignedPackage

CONTROL = "control"
DOWNLOAD = "download"
PROBE = "probe"
WEBHOOKS = "webhooks"

# By dotted path, so that the web process imports neither the tasks nor the engine.
TASKS = {
    CONTROL: "downloads.tasks.sweep",
    DOWNLOAD: "downloads.tasks.run_downloads",
    PROBE: "downloads.tasks.run_probes",
    WEBHOOKS: "webhooks.tasks.send",
}
# Every other queue has a cluster of its own.
CLUSTERS = {WEBHOOKS: CONTROL}
# django-q2 ends a task, and with it the worker, after so many seconds. What runs jobs takes as long as they do: its
# bounds are those of the attempt and of the lease.
NO_LIMIT = -1
LIMITS = {CONTROL: 60, DOWNLOAD: NO_LIMIT, PROBE: NO_LIMIT, WEBHOOKS: NO_LIMIT}

# How long a knock may be kept. Should nothing release it, the listener's polling finds what it stood for.
KEPT_SECONDS = 0.1

# By name, the time of the first of them; None where each goes out at once.
_kept: dict[str, float] | None = None


def ring(queue: str) -> None:
    """Wakes a worker of `queue`, once the surrounding transaction has committed."""
    if settings.REDIS_URL:
        # The list in Redis knows no transaction; a crash before this line is made good by the next pump.
        # Not a partial: Django has no name for it when it logs a failure, and fails the request after its commit.
        transaction.on_commit(lambda: _enqueue(queue), robust=True)
        return
    _enqueue(queue)
    transaction.on_commit(lambda: _knock_or_keep(cluster_of(queue)), robust=True)


def ring_here(queue: str) -> bool:
    """Wakes a worker of this node, which others of a shared queue must not answer for; outside any transaction.

    False while Redis cannot be reached, so that nobody can have heard it.
    """
    if settings.REDIS_URL:
        return _enqueue_here(queue)
    # Whom the knock wakes takes the row before the others look for one.
    ring(queue)
    return True


def _enqueue(queue: str) -> None:
    broker, package = _wake_up(queue)
    broker.enqueue(package)


def _enqueue_here(queue: str) -> bool:
    from redis.exceptions import RedisError  # noqa: PLC0415 - only where there is one

    broker, package = _wake_up(queue)
    try:
        broker.enqueue_here(package)
    except RedisError:
        return False
    return True


@functools.cache
def _wake_up(queue: str) -> tuple[Broker, str]:
    """django-q2's task, packed and signed once: one wake-up is like another, and nobody asks for the result of one."""
    cluster, task_id = cluster_of(queue), uuid.uuid4().hex
    task = {"id": task_id, "name": f"{queue}-{task_id[:8]}", "func": TASKS[queue], "args": (), "kwargs": {}}
    options = {"cluster": cluster, "timeout": LIMITS[queue], "ack_failure": Conf.ACK_FAILURES}
    return get_broker(cluster), SignedPackage.dumps(task | options | {"started": timezone.now()})


def cluster_of(queue: str) -> str:
    return CLUSTERS.get(queue, queue)


def attempt(job_id: uuid.UUID) -> str:
    """The name on which the attempt at a job listens for knocks."""
    return f"attempt-{job_id}"


def knock_when_committed(name: str) -> None:
    transaction.on_commit(lambda: knock(name), robust=True)


def keep() -> None:
    """From now on knocks at clusters wait for `release`, which whoever calls this calls again and again."""
    global _kept  # noqa: PLW0603 - of the process, as its threads share one queue of requests
    _kept = {}


def release() -> None:
    """Knocks wherever it was put off, once a name."""
    while _kept:
        with contextlib.suppress(KeyError):  # another thread was faster
            knock(_kept.popitem()[0])


def _knock_or_keep(name: str) -> None:
    if _kept is None:
        knock(name)
    elif time.monotonic() - _kept.setdefault(name, time.monotonic()) > KEPT_SECONDS:
        release()


def knock(name: str) -> None:
    """Never blocks and never fails: nobody may be listening."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0)
        sender.sendto(b"!", _address(name))


def listen(name: str) -> socket.socket | None:
    """A socket that becomes readable on a knock; None when another process of this machine listens already."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.settimeout(0)
    try:
        listener.bind(_address(name))
    except OSError:
        listener.close()
        return None
    return listener


def drain(listener: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while listener.recv(16):
            pass


def _address(name: str) -> bytes:
    # In the abstract namespace: no file to clean up, no limit on the length of DATA_DIR.
    here = hashlib.sha256(str(settings.DATA_DIR).encode()).hexdigest()[:16]
    return f"\0mediadl-{here}-{name}".encode()
