"""django-q2's brokers with a faster ear: the pusher waits for a knock instead of sleeping out its polling interval."""

from __future__ import annotations

import select
import socket
import time
from datetime import UTC, datetime

import redis
from django.conf import settings
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.models import OrmQ

from accounts.models import prepared
from downloads import bell

# Before the clock of any node, also of one whose clock is hours off.
DUE = datetime(2000, 1, 1, tzinfo=UTC)

REDIS_WAIT_SECONDS = 1
# A submission rings, and must not wait for a server that does not answer.
REDIS_TIMEOUT_SECONDS = 2


class OrmBroker(ORM):  # type: ignore[misc]  # django-q2 has no types
    _ear: socket.socket | None = None

    def enqueue(self, task: str) -> None:
        """Part of every submission, unlike what else a broker does."""
        prepared.insert(OrmQ(key=self.list_key, payload=task, lock=DUE))

    def dequeue(self) -> list[tuple[int, str]] | None:
        """The oldest waiting task, locked for this cluster; None after a quiet interval or a knock."""
        row = (
            self.get_connection()
            .filter(key=self.list_key, lock__lt=timezone.now())
            .order_by("id")
            .only("id", "lock", "payload")
            .first()
        )
        if row is None:
            self._wait()
            return None
        taken = self.get_connection().filter(id=row.id, lock=row.lock).update(lock=self.timeout(row))
        return [(row.pk, row.payload)] if taken else None

    def _wait(self) -> None:
        # Opened in the pusher, never before the fork: two listeners would share one socket's datagrams.
        self._ear = self._ear or bell.listen(self.list_key)
        if self._ear is None:
            time.sleep(min(Conf.POLL, 0.2))
        elif select.select([self._ear], [], [], Conf.POLL)[0]:
            bell.drain(self._ear)


class RedisBroker(Redis):  # type: ignore[misc]  # django-q2 has no types
    """The Redis list of all nodes, and before it one of this node alone; Conf.REDIS is a URL here."""

    @staticmethod
    def get_connection(list_key: str = "") -> redis.Redis:  # noqa: ARG004 - django-q2's signature
        patience = REDIS_WAIT_SECONDS + REDIS_TIMEOUT_SECONDS
        return redis.from_url(Conf.REDIS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS, socket_timeout=patience)

    def enqueue_here(self, task: str) -> None:
        self.connection.rpush(self._own_key, task)

    def dequeue(self) -> list[tuple[None, bytes]] | None:
        """A task is gone with whoever takes it: the next pulse makes that good."""
        found = self.connection.blpop([self._own_key, self.list_key], REDIS_WAIT_SECONDS)
        return [(None, found[1])] if found else None

    @property
    def _own_key(self) -> str:
        return f"{self.list_key}:{settings.NODE_NAME}"
