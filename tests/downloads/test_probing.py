from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from downloads import bell, probing, sweeping, workers
from downloads.api.problem import Problem
from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.spec import Event
from downloads.models import Hold, HoldKind, LeaseLostError, Probe, ProbeKind, ProbeStatus
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "http://media.example/watch"
WORKER = "node/1/1"


@pytest.fixture
def owner() -> User:
    return UserFactory()


def ask(owner: User, url: str = URL, kind: ProbeKind = ProbeKind.MEDIA) -> Probe:
    return probing.ask(owner, kind, url)


def finish(probe: Probe) -> None:
    probe.start(WORKER)
    probe.complete({})


# --- Asking -----------------------------------------------------------------------------------------------------


def test_who_asks_first_wakes_a_worker(owner: User) -> None:
    probe = ask(owner)
    assert (probe.status, probe.url, probe.owner) == (ProbeStatus.QUEUED, URL, owner)
    assert OrmQ.objects.filter(key="probe").count() == 1


def test_who_asks_for_the_same_gets_the_same(owner: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    probe = ask(owner)
    assert ask(owner) == probe
    probe.start(WORKER)
    assert ask(owner) == probe
    probe.complete({})
    with django_assert_num_queries(1):
        assert ask(owner) == probe
    assert OrmQ.objects.count() == 1


def test_what_nobody_wants_any_more_is_given_up(owner: User) -> None:
    probe = ask(owner)
    assert ask(owner) == probe
    probe.start(WORKER)
    Probe.objects.leave(probe.pk)
    assert Probe.objects.get() == probe
    Probe.objects.leave(probe.pk)
    assert not Probe.objects.exists()
    with pytest.raises(LeaseLostError):
        probe.renew()
    assert ask(owner) != probe


def test_what_has_been_found_stays_for_whoever_asks_next(owner: User) -> None:
    probe = ask(owner)
    finish(probe)
    Probe.objects.leave(probe.pk)
    assert ask(owner) == probe
    assert Probe.objects.get().asked == 1


def test_what_is_not_the_same_is_looked_at_anew(owner: User) -> None:
    probes = {ask(owner), ask(owner, f"{URL}/2"), ask(owner, kind=ProbeKind.LIST), ask(UserFactory())}
    assert len(probes) == 4


def test_what_has_expired_is_looked_at_anew(owner: User) -> None:
    probe = ask(owner)
    finish(probe)
    Probe.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ask(owner) != probe


def test_sites_that_the_operator_does_not_allow_are_refused(owner: User, settings: Settings) -> None:
    settings.BLOCKED_DOMAINS = ["media.example"]
    with pytest.raises(Problem) as refusal:
        ask(owner)
    assert (refusal.value.status, refusal.value.code) == (400, "domain_not_allowed")
    assert not Probe.objects.exists()


def test_one_owner_cannot_fill_the_lane(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "MAX_WAITING_PER_OWNER", 2)
    for number in range(2):
        ask(owner, f"{URL}/{number}")
    with pytest.raises(Problem) as refusal:
        ask(owner)
    assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": "5"})
    assert ask(owner, f"{URL}/1")
    assert ask(UserFactory())


@pytest.mark.django_db(transaction=True)
def test_many_that_ask_at_once_make_one_probe() -> None:
    owner, asked, barrier = UserFactory(), [], threading.Barrier(12)

    def race() -> None:
        barrier.wait()
        try:
            asked.append(ask(owner))
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(asked), len(set(asked)), Probe.objects.count(), OrmQ.objects.count()) == (12, 1, 1, 1)


# --- Taking -----------------------------------------------------------------------------------------------------


def test_the_oldest_is_taken_first_and_nothing_twice(owner: User) -> None:
    first, second = ask(owner), ask(owner, f"{URL}/2")
    assert [probing.claim(WORKER), probing.claim(WORKER), probing.claim(WORKER)] == [first, second, None]


def test_an_owner_with_many_does_not_starve_another(owner: User) -> None:
    many = [ask(owner, f"{URL}/{number}") for number in range(3)]
    one = ask(UserFactory())
    assert [probing.claim(WORKER), probing.claim(WORKER)] == [many[0], one]


def test_a_drained_machine_looks_at_nothing(owner: User) -> None:
    probe = ask(owner)
    Hold.objects.place(HoldKind.NODE, "node")
    assert probing.claim("node/1/1") is None
    assert probing.claim("other/1/1") == probe


@pytest.mark.parametrize("queue", [bell.DOWNLOAD, bell.PROBE])
def test_a_wake_up_sets_work_no_time_limit(queue: str) -> None:
    """django-q2's own would end the worker in the midst of a job."""
    bell.ring(queue)
    assert SignedPackage.loads(OrmQ.objects.get().payload)["timeout"] == -1


# --- Hearing ----------------------------------------------------------------------------------------------------


def heard(limit: int, *events: Event) -> Probe:
    probe = ask(UserFactory())
    probe.start(WORKER)
    found = probing.Found(limit=limit)
    for event in events:
        found.hear(event)
    probing._record(probe, found)
    probe.refresh_from_db()
    return probe


def items(*numbers: int) -> Event:
    return Event(name="items", data={"items": [{"number": number} for number in numbers]})


RESULT, DONE = Event(name="result", data={"result": {"title": "A"}}), Event(name="done")


def test_what_was_told_in_pieces_is_kept_as_one() -> None:
    probe = heard(9, RESULT, items(1, 2), items(3), DONE)
    assert probe.result == {"title": "A", "items": [{"number": n} for n in (1, 2, 3)], "truncated": False}


def test_no_more_is_kept_than_was_asked_for() -> None:
    probe = heard(2, RESULT, items(1, 2), items(3), items(4, 5), DONE)
    assert probe.result is not None
    assert (len(probe.result["items"]), probe.result["truncated"]) == (2, True)


@pytest.mark.parametrize("told", [(), (RESULT,), (DONE,)])
def test_a_child_that_ends_without_a_word_has_failed(told: tuple[Event, ...]) -> None:
    assert heard(9, *told).error_code == "internal_error"


def test_a_failure_is_kept_with_what_the_site_asked_for() -> None:
    data = {"code": "rate_limited", "message": "Slowly", "retry_after": 3.0}
    probe = heard(9, RESULT, Event(name="error", data=data))
    assert (probe.status, probe.error_code, probe.error_message, probe.retry_after) == (
        "failed",
        "rate_limited",
        "Slowly",
        3.0,
    )


def test_a_node_that_stops_waits_for_no_engine_and_hands_back(owner: User, settings: Settings, data_dir: Path) -> None:
    settings.ENGINE_SOCKET = data_dir / "nobody.sock"
    probe = ask(owner)
    probe.start(WORKER)
    workers.start_draining()
    began = time.monotonic()
    probing.run(probe)
    probe.refresh_from_db()
    assert (probe.status, probe.losses, probe.lease) == (ProbeStatus.QUEUED, 0, None)
    assert time.monotonic() - began < 5
    assert list((data_dir / "run" / "probes").iterdir()) == []


# --- What died in between ---------------------------------------------------------------------------------------


def test_the_sweep_gives_back_what_a_dead_worker_held(owner: User, settings: Settings) -> None:
    dead, lapsed, alive = (ask(owner, f"{URL}/{number}") for number in range(3))
    dead.start(f"{settings.NODE_NAME}/999999/1")
    for probe in (lapsed, alive):
        probe.start("another/1/1")
    Probe.objects.filter(pk=lapsed.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    OrmQ.objects.all().delete()

    sweeping.look_after_probes()

    states = {probe.pk: probe.status for probe in Probe.objects.all()}
    assert states == {dead.pk: "queued", lapsed.pk: "queued", alive.pk: "running"}
    assert OrmQ.objects.filter(key="probe").count() >= 2


def test_the_sweep_rings_again_for_what_waits(owner: User) -> None:
    ask(owner)
    OrmQ.objects.all().delete()
    sweeping.look_after_probes()
    assert OrmQ.objects.filter(key="probe").count() == 1


def test_the_sweep_forgets_what_nobody_can_wait_for_any_more(owner: User) -> None:
    old, fresh = ask(owner), ask(owner, f"{URL}/2")
    finish(old)
    fresh.start(WORKER)
    fresh.fail(JobError(ErrorCode.TIMEOUT))
    Probe.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(minutes=11))
    sweeping.look_after_probes()
    assert list(Probe.objects.all()) == [fresh]


def test_the_sweep_clears_away_what_dead_attempts_left(owner: User, data_dir: Path) -> None:
    left = data_dir / "run" / "probes" / "0199c4d2-6c1e-7b52-9a57-3f0d5ad9b0aa"
    probe = ask(owner)
    probe.start("another/1/1")
    used = data_dir / "run" / "probes" / str(probe.pk)
    for directory in (left, used):
        directory.mkdir(parents=True)
    sweeping.look_after_probes()
    assert (left.exists(), used.exists()) == (False, True)
