"""The streams' addresses, and what mediadl.asgi's hub is told."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Scope, User
from downloads import events
from downloads.engine.errors import ErrorCode, JobError
from downloads.events import Message, Source, job_channel, moves_channel, owner_channel
from downloads.models import Job, JobEvent, Stage
from tests.api.conftest import Api, code_of, key_of
from tests.factories import JobFactory

# What the layer above says of a request that has, or has not yet, waited.
NOT_YET: Any = {"mediadl.waited": False}

pytestmark = pytest.mark.django_db


def said(messages: Iterable[Message]) -> list[tuple[str, str, str]]:
    """(channel's kind, event, status) of each message."""
    shown = []
    for message in messages:
        body = json.loads(message.data) if message.data else {}
        kind = message.event or body.get("event", "")
        shown.append((message.channel.partition(":")[0], kind, body.get("data", {}).get("status", "")))
    return shown


def submitted(user: User) -> Job:
    return Job.submit(owner=user, url="http://media.example/clip.mp4", host="media.example")


@pytest.fixture
def nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of other tests, which were rolled back, are no gaps of ours."""
    monkeypatch.setattr(events, "REPLAYED_IDS", 0)


class Listener:
    """Polls as the hub does."""

    def __init__(self, *channels: str) -> None:
        self.channels = frozenset(channels)
        self.source = Source()
        self.cursor = self.source.snapshot(next(iter(channels)), None).cursor

    def hear(self) -> list[Message]:
        batch = self.source.poll(self.cursor, self.channels)
        self.cursor = batch.cursor
        return batch.messages


# --- Addresses ----------------------------------------------------------------------------------------------------


def test_hands_over_a_stream_of_all_that_is_yours(api: Api, user: User) -> None:
    answer = api.get("/events", Accept="text/event-stream")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    assert (answer["X-Accel-Events"], answer["X-Accel-Owner"]) == (owner_channel(user.pk), str(user.pk))


def test_hands_over_a_stream_of_one_job(api: Api, job: Job) -> None:
    assert api.get(f"/download/{job.pk}/events")["X-Accel-Events"] == job_channel(job.pk)


def test_streams_are_for_those_who_may_read(anybody: Api, user: User) -> None:
    assert code_of(anybody.get("/events")) == (401, "not_authenticated")
    assert code_of(Api(key_of(user, Scope.WRITE)).get("/events")) == (403, "insufficient_scope")


def test_a_key_is_never_taken_from_the_query(anybody: Api, user: User) -> None:
    for name in ("api_key", "key", "X-API-Key", "token", "access_token"):
        answer = anybody.get("/events", {name: key_of(user)})
        assert code_of(answer)[0] in (400, 401)
        assert "X-Accel-Events" not in answer


# --- Snapshots ----------------------------------------------------------------------------------------------------


def test_a_stream_of_a_job_begins_with_how_it_stands(user: User) -> None:
    job = submitted(user)
    batch = Source().snapshot(job_channel(job.pk), None)
    assert said(batch.messages) == [("job", "download.snapshot", "queued")]
    body = json.loads(batch.messages[0].data)
    assert set(body) == {"event", "timestamp", "request_id", "data"}
    assert body["request_id"] == body["data"]["request_id"] == str(job.pk)
    assert batch.messages[0].id == JobEvent.objects.get().pk


@pytest.mark.parametrize("after", [None, "0", "1", "999", "nonsense", "-1", "9" * 40, "\u0661"])
def test_a_stream_of_a_finished_job_ends_at_once(user: User, after: str | None) -> None:
    job = JobFactory(owner=user, finished=True)
    batch = Source().snapshot(job_channel(job.pk), after)
    assert said(batch.messages) == [("job", "download.snapshot", "completed"), ("job", "end", "")]


def test_a_stream_of_a_job_that_is_gone_ends_at_once(db: None) -> None:
    assert said(Source().snapshot(job_channel(uuid.uuid4()), None).messages) == [("job", "end", "")]


def test_a_stream_of_an_owner_begins_with_what_is_still_to_end(user: User) -> None:
    queued, running = JobFactory(owner=user), JobFactory(owner=user, running=True)
    JobFactory(owner=user, finished=True)
    JobFactory()
    messages = Source().snapshot(owner_channel(user.pk), None).messages
    assert [json.loads(message.data)["request_id"] for message in messages] == [str(running.pk), str(queued.pk)]


def test_whoever_comes_back_is_told_what_was_missed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "REPLAYED_IDS", 0)
    submitted(user)
    missed = submitted(user)
    known = events.last_event_id()
    missed.cancel()
    messages = Source().snapshot(owner_channel(user.pk), str(known)).messages
    assert [json.loads(message.data)["request_id"] for message in messages] == [str(missed.pk)]
    assert said(messages) == [("owner", "download.snapshot", "cancelled")]


def test_whoever_was_away_for_too_long_is_told_how_things_stand(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TOO_OLD_IDS", 1)
    submitted(user).cancel()
    submitted(user)
    assert said(Source().snapshot(owner_channel(user.pk), "1").messages) == [("owner", "download.snapshot", "queued")]


# --- Polls --------------------------------------------------------------------------------------------------------


def test_follows_a_job_to_its_end(user: User) -> None:
    job = submitted(user)
    listener = Listener(job_channel(job.pk), owner_channel(user.pk), moves_channel(job.pk))
    assert listener.hear() == []
    job.start("node/1/1")
    assert said(listener.hear()) == [
        ("job", "download.started", "running"),
        ("owner", "download.started", "running"),
        ("moves", "", ""),
    ]
    job.renew(progress_percent=5)
    progress = listener.hear()
    assert said(progress) == [("job", "download.progress", "running"), ("owner", "download.progress", "running")]
    assert {message.id for message in progress} == {""}
    assert listener.hear() == []
    job.enter(Stage.DOWNLOADING)
    assert said(listener.hear())[0] == ("job", "download.stage", "running")
    job.fail(JobError(ErrorCode.NOT_FOUND, "Gone."))
    assert said(listener.hear()) == [
        ("job", "download.failed", "failed"),
        ("owner", "download.failed", "failed"),
        ("moves", "", ""),
        ("job", "end", ""),
    ]
    assert listener.hear() == []


def test_several_moves_between_two_polls_are_one_message_of_the_last(user: User) -> None:
    job = submitted(user)
    listener = Listener(job_channel(job.pk))
    job.start("node/1/1")
    job.enter(Stage.DOWNLOADING)
    job.pause()
    messages = listener.hear()
    assert said(messages) == [("job", "download.paused", "paused")]
    assert messages[0].id == events.last_event_id()


def test_hears_nothing_of_others(user: User) -> None:
    listener = Listener(owner_channel(user.pk))
    submitted(JobFactory().owner).start("node/1/1")
    assert listener.hear() == []


def test_an_event_that_becomes_visible_late_is_not_missed(user: User, nothing_before: None) -> None:
    """Its id was given out before that of one which was committed first."""
    job, other = submitted(user), submitted(user)
    listener = Listener(owner_channel(user.pk))
    listener.hear()
    last = events.last_event_id()
    JobEvent.objects.create(id=last + 2, job=other, owner=user, kind="kept", attempt=0)
    assert [json.loads(message.data)["request_id"] for message in listener.hear()] == [str(other.pk)]
    JobEvent.objects.create(id=last + 1, job=job, owner=user, kind="kept", attempt=0)
    assert [json.loads(message.data)["request_id"] for message in listener.hear()] == [str(job.pk)]
    assert listener.hear() == []
    assert not listener.cursor.seen


def test_a_gap_that_stays_is_given_up(user: User, nothing_before: None, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submitted(user)
    listener = Listener(owner_channel(user.pk))
    JobEvent.objects.create(id=events.last_event_id() + 5, job=job, owner=user, kind="kept", attempt=0)
    assert len(listener.hear()) == 1
    assert listener.hear() == []
    assert len(listener.cursor.seen) == 1
    monkeypatch.setattr(events, "GAP_SECONDS", -1)
    assert listener.hear() == []
    assert (listener.cursor.settled, listener.cursor.seen) == (events.last_event_id(), {})


def test_what_was_there_before_the_first_listener_is_not_told_again(user: User) -> None:
    submitted(user)
    JobEvent.objects.create(id=50, job=submitted(user), owner=user, kind="kept", attempt=0)
    assert Listener(owner_channel(user.pk)).hear() == []


def test_silence_costs_two_queries(user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    JobFactory.create_batch(5, owner=user, running=True)
    listener = Listener(owner_channel(user.pk))
    listener.hear()
    with django_assert_num_queries(2):
        listener.hear()


def test_twenty_jobs_that_get_further_cost_four(user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    jobs = JobFactory.create_batch(20, owner=user, running=True)
    listener = Listener(owner_channel(user.pk))
    listener.hear()
    for job in jobs:
        job.renew(progress_percent=5)
    with django_assert_num_queries(4):
        assert len(listener.hear()) == 20


# --- Waiting for a move -------------------------------------------------------------------------------------------


def test_whoever_waits_for_a_move_hears_of_those_after_the_last_they_know(user: User) -> None:
    job = submitted(user)
    channel, known = moves_channel(job.pk), str(events.last_event_id(job.pk))
    assert Source().snapshot(channel, known).messages == []
    job.start("node/1/1")
    assert [message.channel for message in Source().snapshot(channel, known).messages] == [channel]


def test_progress_is_no_move(user: User) -> None:
    job = submitted(user)
    job.start("node/1/1")
    listener = Listener(moves_channel(job.pk))
    job.renew(progress_percent=5)
    assert listener.hear() == []


def test_the_wait_of_a_request_is_over_when_the_job_moves(api: Api, user: User) -> None:
    """What the view hands over is what the source understands."""
    job = submitted(user)
    answer: Any = api.client.get(f"/api/v1/download/{job.pk}?wait=7", **NOT_YET)
    assert Source().snapshot(answer["X-Accel-Events"], answer["X-Accel-After"]).messages == []
    job.cancel()
    started = time.monotonic()
    assert Source().snapshot(answer["X-Accel-Events"], answer["X-Accel-After"]).messages
    assert time.monotonic() - started < 1
