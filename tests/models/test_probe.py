from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings

from downloads.engine.errors import ErrorCode, JobError
from downloads.models import LeaseLostError, Probe, ProbeStatus, TransitionError
from tests.factories import UserFactory, row
from tests.vanishing import meanwhile

pytestmark = pytest.mark.django_db
WORKER = "node/1/1"


def make(**fields: Any) -> Probe:
    return Probe.objects.create(
        **{"owner": fields.get("owner") or UserFactory(), "kind": "media", "url": "http://a.example/", **fields}
    )


def running() -> Probe:
    probe = make()
    probe.start(WORKER)
    return probe


def test_one_that_ends_while_it_is_joined_is_looked_for_again() -> None:
    probe = running()
    with meanwhile(lambda: row(Probe, probe.pk).complete({})):
        joined = Probe.objects.join()
    assert joined == probe
    assert (joined.status, joined.asked) == (ProbeStatus.DONE, 1)


def test_starts_once() -> None:
    probe = make()
    rival = Probe.objects.get()
    probe.start(WORKER)
    assert (probe.status, probe.worker, probe.has_ended) == (ProbeStatus.RUNNING, WORKER, False)
    with pytest.raises(TransitionError):
        rival.start("node/2/2")


def test_keeps_what_was_found_for_as_long_as_it_is_fresh(settings: Settings) -> None:
    settings.PROBE_CACHE_SECONDS = 100
    probe = running()
    probe.complete({"items": []})
    probe.refresh_from_db()
    assert (probe.status, probe.result, probe.lease) == (ProbeStatus.DONE, {"items": []}, None)
    assert probe.expires_at is not None
    assert timedelta(seconds=90) < probe.expires_at - timezone.now() <= timedelta(seconds=100)


def test_a_failure_is_soon_forgotten() -> None:
    probe = running()
    probe.fail(JobError(ErrorCode.RATE_LIMITED, "Too many.", retry_after=7))
    probe.refresh_from_db()
    assert (probe.status, probe.error_code, probe.retry_after) == (ProbeStatus.FAILED, "rate_limited", 7)
    assert probe.expires_at is not None
    assert probe.expires_at - timezone.now() <= timedelta(seconds=10)


@pytest.mark.parametrize("verb", ["renew", "hand_back", "lose", "complete", "fail"])
def test_whoever_lost_the_lease_changes_nothing(verb: str) -> None:
    probe = running()
    Probe.objects.get().hand_back()
    Probe.objects.get().start("node/2/2")
    arguments: dict[str, tuple[Any, ...]] = {"complete": ({},), "fail": (JobError(ErrorCode.TIMEOUT),)}
    with pytest.raises(LeaseLostError):
        getattr(probe, verb)(*arguments.get(verb, ()))
    assert Probe.objects.get().worker == "node/2/2"


def test_is_given_back_once_when_its_worker_is_lost_and_then_given_up() -> None:
    probe = running()
    probe.lose()
    again = Probe.objects.get()
    assert (again.status, again.losses) == (ProbeStatus.QUEUED, 1)
    assert OrmQ.objects.filter(key="probe").count() == 1
    again.start(WORKER)
    again.lose()
    assert (Probe.objects.get().status, Probe.objects.get().error_code) == (ProbeStatus.FAILED, "worker_lost")


def test_the_same_is_looked_at_once_at_a_time() -> None:
    owner = UserFactory()
    make(owner=owner, fingerprint="same")
    make(fingerprint="same")
    with pytest.raises(IntegrityError), transaction.atomic():
        make(owner=owner, fingerprint="same")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "done"},
        {"status": "failed", "expires_at": timezone.now()},
        {"status": "running"},
        {"expires_at": timezone.now()},
    ],
)
def test_the_database_refuses_what_cannot_be(changes: dict[str, Any]) -> None:
    probe = make()
    with pytest.raises(IntegrityError), transaction.atomic():
        Probe.objects.filter(pk=probe.pk).update(**changes)
