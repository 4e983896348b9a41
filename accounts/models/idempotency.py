"""What was answered to a request with an Idempotency-Key, for a day, so that the same request is answered the same.

The row is inserted before the work and commits with it. Until then another request of the same key waits on the
primary key; after a crash there is neither the row nor its work. So there is no state "in flight" to get stuck in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

from cryptography.fernet import Fernet
from django.db import OperationalError, connection, models
from django.db.models.functions import Length, Now
from django.db.models.lookups import Exact

from accounts.models.user import User

KEPT = timedelta(hours=24)
# SQLite waits as long as any of its transactions waits for another.
POSTGRES_WAIT = "5s"
LOCK_NOT_AVAILABLE = "55P03"
DIGEST_LENGTH = 64


class KeyInFlightError(Exception):
    """Another transaction has the key, and takes longer than anybody should wait."""


def digest_of(subject: str, key: str) -> str:
    return hashlib.sha256(f"{subject}\0{key}".encode()).hexdigest()


def fingerprint_of(key: str, request: bytes) -> str:
    """Under the client's own key, of which the database has only a digest: a dump confirms no guess at a body."""
    return hmac.digest(key.encode(), b"request\0" + request, "sha256").hex()


def cipher_of(key: str) -> Fernet:
    """For answers, again under the client's own key. Whoever guesses that one can read them: no place for secrets."""
    return Fernet(base64.urlsafe_b64encode(hmac.digest(key.encode(), b"answer", "sha256")))


@contextmanager
def bounded_wait() -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [POSTGRES_WAIT])
        try:
            yield
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE:
                raise KeyInFlightError from error
            raise
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


class IdempotentAnswerQuerySet(models.QuerySet["IdempotentAnswer"]):
    def expired(self) -> IdempotentAnswerQuerySet:
        return self.filter(created_at__lte=Now() - KEPT)

    def claim(self, digest: str, fingerprint: str, owner: User) -> tuple[IdempotentAnswer, bool]:
        """The key's row, and whether it is new, so that the work is the caller's; in the transaction of that work.

        Waits while another transaction has the key, until that commits or is rolled back. Raises KeyInFlightError.
        """
        with bounded_wait():
            self.expired().filter(digest=digest).delete()
            return self.get_or_create(digest=digest, defaults={"fingerprint": fingerprint, "owner": owner})

    def purge(self) -> int:
        return self.expired().delete()[0]


class IdempotentAnswer(models.Model):
    # Of the principal and its key.
    digest = models.CharField(primary_key=True, max_length=DIGEST_LENGTH)
    # Of the operation and its body.
    fingerprint = models.CharField(max_length=DIGEST_LENGTH)
    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    status = models.PositiveSmallIntegerField(default=0)
    headers = models.JSONField(default=dict)
    # Encrypted, and without what only the first answer may show.
    body = models.BinaryField(default=b"")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[IdempotentAnswer]] = IdempotentAnswerQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotent_answer_age")]
        constraints = [
            models.CheckConstraint(
                condition=Exact(Length("digest"), DIGEST_LENGTH) & Exact(Length("fingerprint"), DIGEST_LENGTH),
                name="idempotent_answer_holds_digests",
                violation_error_message="Only digests of a key and of a request may be stored.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} for {self.digest[:8]}"

    def record(self, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
        changes: dict[str, Any] = {"status": status, "headers": headers, "body": cipher_of(key).encrypt(body)}
        type(self).objects.filter(pk=self.pk).update(**changes)

    def recorded_body(self, key: str) -> bytes:
        return cipher_of(key).decrypt(bytes(self.body))
