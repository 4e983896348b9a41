"""Sends what is due: claims it, puts it on the wire, records what came of it. One sender a node.

Whoever is killed in between has recorded nothing: the same message is sent again, under the same id.
"""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Min
from django.utils import timezone

from downloads import bell, crash_points, storage, workers
from downloads.models import LeaseLostError
from webhooks import claims, signing
from webhooks.models import Delivery, Failure, Reply
from webhooks.models.delivery import SENDER_EAR
from webhooks.transport import Message, Transport
from webhooks.vault import SealedError

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
# For a retry that is due so soon it stays; later ones are woken for by the sweep.
LINGER_SECONDS = 12.0
DRAIN_SECONDS = 3.0
USER_AGENT = "mediadl-webhooks/1"


def send_due() -> None:
    """Returns at once when another sender of this node is at it: that one has been knocked for."""
    while storage.is_there() and not workers.is_draining():
        with _alone() as is_alone:
            if not is_alone:
                return
            recover()
            if Delivery.objects.waiting().exists():
                _send_with_ear()
        # Whoever came between our last look and the end of our time here has been turned away.
        if not Delivery.objects.due().exists():
            return


def recover() -> int:
    """Takes back what dead senders of this node held, and on any node what has not been concluded in time."""
    here = Delivery.objects.on_node(settings.NODE_NAME).select_related("endpoint")
    dead = [delivery for delivery in here if not workers.is_alive(delivery.worker)]
    return sum(_lose(delivery) for delivery in [*dead, *Delivery.objects.stalled()])


def _lose(delivery: Delivery) -> bool:
    # Another sender, or the one thought dead, may be first.
    with contextlib.suppress(LeaseLostError):
        delivery.lose()
        return True
    return False


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """The lock goes with the process, however it ends."""
    path = Path(settings.RUN_ROOT) / "webhooks.lock"
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _send_with_ear() -> None:
    ear = bell.listen(SENDER_EAR)
    reader, writer = socket.socketpair()
    try:
        with Transport(settings.GUARD_URL, settings.WEBHOOK_TIMEOUT_SEC) as transport:
            Sender(transport, ear, reader, writer).run()
    finally:
        for end in filter(None, (ear, reader, writer)):
            end.close()


class Sender:
    def __init__(
        self, transport: Transport, ear: socket.socket | None, reader: socket.socket, writer: socket.socket
    ) -> None:
        self._transport = transport
        self._ear = ear
        self._reader = reader
        self._writer = writer
        reader.settimeout(0)
        writer.settimeout(0)
        self._under_way: dict[Future[Reply], Delivery] = {}
        self._look_at = 0.0

    def run(self) -> None:
        try:
            while not workers.is_draining():
                self._collect()
                if time.monotonic() >= self._look_at and not self._look():
                    return
                self._wait()
            self._drain()
        finally:
            # Of what is still held, nobody knows whether it arrived.
            for delivery in self._under_way.values():
                self._safely(delivery.hand_back)

    # --- Sending ------------------------------------------------------------------------------------------------

    def _look(self) -> bool:
        """Sends what may be sent now. False when there is nothing left to wait for."""
        for delivery in claims.claim(workers.identity()):
            self._send(delivery)
        wait = seconds_to_next()
        if not self._under_way and (wait is None or wait > LINGER_SECONDS):
            return False
        # What is due and has no place yet gets one when something ends.
        pause = LINGER_SECONDS if wait is None else wait if wait > 0 else TICK_SECONDS
        self._look_at = time.monotonic() + min(pause, LINGER_SECONDS)
        return True

    def _send(self, delivery: Delivery) -> None:
        if not delivery.endpoint.is_enabled:
            self._conclude(delivery, Reply(failure=Failure.DISABLED))
            return
        try:
            message = message_of(delivery)
        except SealedError:
            log.error("webhook_secret_lost", webhook_id=str(delivery.endpoint_id))  # noqa: TRY400 - it says all
            self._conclude(delivery, Reply(failure=Failure.SECRET_LOST))
            return
        crash_points.reach("webhook.before_send")
        future = self._transport.send(message)
        self._under_way[future] = delivery
        future.add_done_callback(self._nudge)

    def _nudge(self, _: Future[Reply]) -> None:
        """From the transport's thread."""
        with contextlib.suppress(OSError):
            self._writer.send(b"!")

    # --- Waiting ------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        seconds = max(0.0, min(TICK_SECONDS, self._look_at - time.monotonic()))
        listening = [self._reader, *([self._ear] if self._ear else [])]
        ready, _, _ = select.select(listening, [], [], seconds)
        for end in ready:
            bell.drain(end)
        if ready:
            self._look_at = 0.0

    # --- What came of it ----------------------------------------------------------------------------------------

    def _collect(self) -> None:
        for future in [future for future in self._under_way if future.done()]:
            delivery = self._under_way.pop(future)
            crash_points.reach("webhook.after_send")
            self._conclude(delivery, _reply_of(future))

    def _conclude(self, delivery: Delivery, reply: Reply) -> None:
        self._safely(lambda: delivery.conclude(reply))
        crash_points.reach("webhook.after_commit")

    def _safely(self, action: Callable[[], None]) -> None:
        """What cannot be recorded is sent again once its lease has lapsed."""
        try:
            action()
        except LeaseLostError:
            log.info("webhook_lease_lost")
        except DatabaseError:
            log.warning("webhook_not_recorded")
            connection.close()

    def _drain(self) -> None:
        """What answers within a moment is recorded, so that it need not be sent twice."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._under_way and time.monotonic() < deadline:
            select.select([self._reader], [], [], max(0.0, min(TICK_SECONDS, deadline - time.monotonic())))
            bell.drain(self._reader)
            self._collect()


def message_of(delivery: Delivery) -> Message:
    """Signed as of now: receivers refuse what was signed long ago. Raises SealedError."""
    now, body = timezone.now(), delivery.body.encode()
    signed = signing.headers_of(str(delivery.pk), int(now.timestamp()), body, delivery.endpoint.secrets(now))
    plain = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": USER_AGENT}
    return Message(url=delivery.url, headers=plain | signed | {"x-webhook-event": delivery.event}, body=body)


def seconds_to_next() -> float | None:
    """0 when something is due; None when nothing waits."""
    due_at = Delivery.objects.waiting().aggregate(due_at=Min("next_attempt_at"))["due_at"]
    return None if due_at is None else max(0.0, (due_at - timezone.now()) / timedelta(seconds=1))


def _reply_of(future: Future[Reply]) -> Reply:
    if error := future.exception():
        log.error("webhook_not_sent", exc_info=error)
        return Reply(failure=Failure.NETWORK_ERROR)
    return future.result()
