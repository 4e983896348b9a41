"""The job's verbs in any order, by people, by attempts and by attempts that lost their lease long ago.

In between processes die before and after they commit, clocks are set by hours, and sweeps come round.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db.models import F
from django.db.models.functions import Now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from downloads import claims, crash_points, publishing, recovery, retention
from downloads.engine.errors import ErrorCode, JobError
from downloads.models import Job, JobEvent, LeaseLostError, Stage, TransitionError
from tests.factories import UserFactory
from tests.faults.oracles import illegal_steps

pytestmark = [pytest.mark.promise("P2", "P10", "P11"), pytest.mark.faults, pytest.mark.django_db]

ASKED = {
    "cancel": {"queued": "cancelled", "running": "cancelled", "paused": "cancelled"},
    "pause": {"queued": "paused", "running": "paused"},
    "resume": {"paused": "queued"},
    "retry": {"failed": "queued", "cancelled": "queued"},
    "keep": {"completed": "completed"},
}
ENDINGS: dict[str, Callable[[Job], Any]] = {
    "renew": lambda job: job.renew(downloaded_bytes=1),
    "enter": lambda job: job.enter(Stage.DOWNLOADING),
    "complete": lambda job: job.complete(),
    "fail for good": lambda job: job.fail(JobError(ErrorCode.NOT_FOUND)),
    "fail for now": lambda job: job.fail(JobError(ErrorCode.NETWORK_ERROR)),
    "snooze": lambda job: job.fail(JobError(ErrorCode.RATE_LIMITED, retry_after=5)),
    "crash": lambda job: job.crash("gone"),
    "hand back": lambda job: job.hand_back(),
    "lose": lambda job: job.lose(),
}
LIMITS = {"failures": 5, "crashes": 3, "losses": 10, "snoozes": 40}


@dataclass(slots=True)
class Expected:
    """What the machine knows of a job without reading it: its status, and the lease of the attempt that holds it."""

    statuses: set[str] = field(default_factory=lambda: {"queued"})
    lease: uuid.UUID | None = None


class Death(BaseException):
    """Of a process, to which nothing listens."""


@contextmanager
def dying_at(point: str) -> Iterator[None]:
    """The process goes when it gets there, and with it whatever it has not committed."""

    def reach(name: str) -> None:
        if name == point:
            raise Death

    with suppress(Death), mock.patch.object(crash_points, "reach", reach):
        yield


class JobMachine(RuleBasedStateMachine):
    attempts: Bundle[Job] = Bundle("attempts")
    jobs: Bundle[uuid.UUID] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.owner = UserFactory()
        self.expected: dict[uuid.UUID, Expected] = {}

    def teardown(self) -> None:
        Job.objects.all().delete()

    @rule(target=jobs)
    def submit(self) -> uuid.UUID:
        job = Job.submit(owner=self.owner, url="http://media.example/clip.mp4", host="media.example")
        self.expected[job.pk] = Expected()
        return job.pk

    @rule(hours=st.sampled_from([-3, 1, 3]))
    def the_clock_is_set(self, hours: int) -> None:
        """Seen from the rows: all that they say of times is so much nearer, or further off."""
        moved = {name: F(name) - timedelta(hours=hours) for name in ("eligible_at", "lease_expires_at", "expires_at")}
        Job.objects.update(**moved)

    @rule()
    def a_sweep_comes_round(self) -> None:
        lapsed = Job.objects.filter(status="running", lease_expires_at__lt=Now()).values_list("pk", flat=True)
        for job in list(lapsed):
            self.expected[job] = Expected({"queued", "failed"})
        recovery.recover_stalled()
        retention.expire_due()

    @rule()
    def claim_and_die(self) -> None:
        with dying_at("claim.before_commit"):
            claims.claim("node/1/1")

    @rule(attempt=attempts, point=st.sampled_from(["publish.before_commit", "publish.after_commit"]))
    def publish_and_die(self, attempt: Job, point: str) -> None:
        job, expected = copy.copy(attempt), self.expected.get(attempt.pk, Expected(set()))
        if job.lease is None or job.lease != expected.lease:
            with pytest.raises(LeaseLostError):
                publishing.commit(job, [], {})
            return
        with dying_at(point):
            publishing.commit(job, [], {})
        if point == "publish.after_commit":
            self.expected[attempt.pk] = Expected({"completed"})

    @rule(job=jobs)
    def time_passes(self, job: uuid.UUID) -> None:
        Job.objects.filter(pk=job).update(eligible_at="2020-01-01T00:00:00Z")

    @rule(target=attempts)
    def claim(self) -> Job:
        """An attempt nobody holds when nothing is eligible: all that it does must be refused."""
        job = claims.claim("node/1/1")
        if job is None:
            return Job(pk=uuid.uuid4(), owner=self.owner, lease=uuid.uuid4(), status="running", attempt=1)
        self.expected[job.pk] = Expected({"running"}, job.lease)
        return job

    @rule(job=jobs, verb=st.sampled_from(sorted(ASKED)))
    def ask(self, job: uuid.UUID, verb: str) -> None:
        row = Job.objects.get(pk=job)
        after = ASKED[verb].get(row.status)
        if after is None:
            with pytest.raises(TransitionError):
                getattr(row, verb)()
        else:
            getattr(row, verb)()
            self.expected[job] = Expected({after})

    @rule(attempt=attempts, ending=st.sampled_from(sorted(ENDINGS)))
    def act(self, attempt: Job, ending: str) -> None:
        self._act(attempt, ending)

    @rule(attempt=consumes(attempts), ending=st.sampled_from(sorted(ENDINGS)))
    def act_and_die(self, attempt: Job, ending: str) -> None:
        self._act(attempt, ending)

    def _act(self, attempt: Job, ending: str) -> None:
        lease = attempt.lease
        expected = self.expected.get(attempt.pk, Expected(set()))
        if lease is None or lease != expected.lease:
            with pytest.raises(LeaseLostError):
                ENDINGS[ending](attempt)
            return
        ENDINGS[ending](attempt)
        if ending not in {"renew", "enter"}:
            ended = {"complete": {"completed"}, "fail for good": {"failed"}, "hand back": {"queued"}}
            self.expected[attempt.pk] = Expected(ended.get(ending, {"queued", "failed"}))

    @invariant()
    def rows_are_as_expected(self) -> None:
        rows = {job.pk: job for job in Job.objects.all()}
        assert rows.keys() == self.expected.keys()
        for key, job in rows.items():
            assert job.status in self.expected[key].statuses
            assert job.lease == self.expected[key].lease
            assert (job.lease is not None) == (job.status == "running")
            assert all(getattr(job, counter) < limit for counter, limit in LIMITS.items())

    @invariant()
    def histories_are_legal(self) -> None:
        for key in self.expected:
            events = JobEvent.objects.filter(job=key).values_list("kind", "attempt", "data__status")
            assert list(illegal_steps(events.order_by("id"))) == []


def test_no_order_of_verbs_breaks_a_job() -> None:
    run_state_machine_as_test(
        JobMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
