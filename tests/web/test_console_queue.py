from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from downloads.health import examine
from downloads.models import Hold, HoldKind, Node, Probe, ProbeKind
from tests.factories import JobFactory
from tests.web.conftest import signed_in, staff

pytestmark = pytest.mark.django_db
QUEUE, PAUSE, RESUME = "/admin/queue/", "/admin/queue/pause/", "/admin/queue/resume/"


def test_is_for_staff_who_may_see_jobs(page: Client) -> None:
    assert Client().get(QUEUE)["Location"].startswith("/admin/login/")
    assert page.get(QUEUE)["Location"].startswith("/admin/login/")
    assert staff().get(QUEUE).status_code == 403
    assert staff("view_job").get(QUEUE).status_code == 200
    assert 'href="/admin/queue/"' in staff("view_job").get("/admin/").text
    assert 'href="/admin/queue/"' not in staff().get("/admin/").text


def test_says_that_nothing_is_there(site: Client) -> None:
    text = site.get(QUEUE).text
    for said in ("Nothing runs.", "Nothing waits.", "No machine has been heard of.", "Nothing is paused."):
        assert said in text


def test_shows_what_runs_with_its_worker_lease_stage_and_speed(site: Client, worker: Node) -> None:
    now = timezone.now()
    fields = {"running": True, "worker": "node-1/77/5", "stage": "downloading", "speed": 2_000_000}
    JobFactory(title="A walk", lease_expires_at=now + timedelta(seconds=17), progress_percent=42, **fields)
    JobFactory(title="A lost one", lease_expires_at=now - timedelta(seconds=4), **fields)
    text = site.get(QUEUE).text
    for said in (
        "A walk",
        "node-1, 77",
        "3 s ago",
        "Downloading",
        "42 %",
        "2.0 MB/s",
        "24 s ago: lapsed",
        "of 4 slots",
    ):
        assert said in text, said


def test_shows_what_waits_by_lane_owner_and_priority_with_the_reason(site: Client, user: User, worker: Node) -> None:
    JobFactory.create_batch(2, owner=user, priority=10)
    JobFactory(owner=user, eligible_at=timezone.now() + timedelta(hours=1))
    Probe.objects.create(owner=user, kind=ProbeKind.MEDIA, url="https://a.example/1", fingerprint="x")
    context = site.get(QUEUE).context
    lanes = [(str(row.lane), row.owner, row.priority, row.count, row.due, row.reason) for row in context["lanes"]]
    assert lanes == [
        ("download", "ada", "High", 2, 2, ""),
        ("download", "ada", "Normal", 1, 0, "None of them is due."),
        ("probe", "ada", "", 1, 1, "As soon as a worker of its lane is free."),
    ]
    reasons = [reason for _, reason in context["waiting"]]
    assert reasons[:2] == ["Starts in a moment."] * 2
    assert reasons[2].startswith("Asked to start at ")


def test_says_what_all_of_a_user_waits_for(site: Client, user: User, worker: Node) -> None:
    JobFactory(owner=user)

    def reason() -> str:
        return str(site.get(QUEUE).context["lanes"][0].reason)

    assert reason() == ""
    JobFactory(owner=user, running=True)
    user.max_concurrent_jobs = 1
    user.save()
    assert reason() == "Its user's limit: 1 at a time."
    Hold.objects.place(HoldKind.NODE, worker.name)
    user.max_concurrent_jobs = 2
    user.save()
    assert reason() == "All machines are drained."
    Hold.objects.place(HoldKind.OWNER, str(user.pk))
    assert reason() == "Its user is paused."
    Hold.objects.place(HoldKind.QUEUE)
    assert reason() == "The queue is paused."


def test_a_drained_machine_is_let_work_again_in_its_own_row(site: Client, worker: Node) -> None:
    site.post(PAUSE, {"kind": "node", "subject": worker.name})
    machine = site.get(QUEUE).context["machines"][0]
    assert machine.state == "drained: may be stopped"
    site.post(RESUME, {"hold": machine.hold.pk})
    assert site.get(QUEUE).context["machines"][0].state == "working"


def test_shows_what_waits_of_one_owner(site: Client, user: User) -> None:
    mine, _ = JobFactory(owner=user), JobFactory()
    answer = site.get(QUEUE, {"owner": str(user.pk)})
    assert [job for job, _ in answer.context["waiting"]] == [mine]
    for strange in ("x", "00000000-0000-0000-0000-000000000000"):
        assert len(site.get(QUEUE, {"owner": strange}).context["waiting"]) == 2


def test_costs_the_same_however_much_there_is(
    site: Client, worker: Node, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    JobFactory()
    JobFactory(running=True)
    site.get(QUEUE)
    with django_assert_num_queries(19):
        site.get(QUEUE)
    JobFactory.create_batch(9)
    for _ in range(9):
        JobFactory(running=True)
    with django_assert_num_queries(19):
        site.get(QUEUE)


@pytest.mark.parametrize(
    ("kind", "subject", "kept"),
    [
        ("queue", "", ""),
        ("queue", "whatever", ""),
        ("owner", "ada", None),
        ("host", "Video.Example", "video.example"),
        ("node", "node-1", "node-1"),
    ],
)
@pytest.mark.usefixtures("worker")
def test_pauses_and_resumes_and_notes_who_did_it(
    operator: User, user: User, kind: str, subject: str, kept: str | None
) -> None:
    site = signed_in(operator)
    answer = site.post(PAUSE, {"kind": kind, "subject": subject}, follow=True)
    hold = Hold.objects.get()
    assert (hold.kind, hold.subject, hold.created_by) == (kind, str(user.pk) if kept is None else kept, operator)
    assert "Paused: " in answer.text
    assert "It was paused already." in site.post(PAUSE, {"kind": kind, "subject": subject}, follow=True).text

    assert "Resumed: " in site.post(RESUME, {"hold": hold.pk}, follow=True).text
    assert "It was resumed already." in site.post(RESUME, {"hold": hold.pk}, follow=True).text
    assert not Hold.objects.exists()
    said = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    assert list(said) == [("root", "Paused."), ("root", "Resumed.")]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"kind": "all"},
        {"kind": "owner", "subject": "nobody"},
        {"kind": "host", "subject": ""},
        {"kind": "host", "subject": "https://video.example/1"},
        {"kind": "host", "subject": "x" * 300},
        {"kind": "host", "subject": "a\x00b"},
        {"kind": "node", "subject": "node-7"},
        {"kind": "node", "subject": ""},
    ],
)
def test_refuses_what_it_cannot_pause(site: Client, form: dict[str, Any]) -> None:
    answer = site.post(PAUSE, form, follow=True)
    assert answer.status_code == 200
    assert 'class="error"' in answer.text
    assert not Hold.objects.exists()


@pytest.mark.parametrize("hold", ["", "x", "-1", "9" * 40, "\x00"])
def test_resuming_what_is_not_there_changes_nothing(site: Client, hold: str) -> None:
    assert site.post(RESUME, {"hold": hold}, follow=True).status_code == 200


def test_who_may_only_look_can_pause_nothing() -> None:
    Hold.objects.place(HoldKind.QUEUE)
    viewer = staff("view_job", "change_job", "view_hold")
    text = viewer.get(QUEUE).text
    assert "The queue is paused" in text
    assert '<button class="button"' not in text
    assert viewer.post(PAUSE, {"kind": "host", "subject": "a.example"}).status_code == 403
    assert viewer.post(RESUME, {"hold": Hold.objects.get().pk}).status_code == 403
    assert Hold.objects.count() == 1


def test_reading_changes_nothing(site: Client) -> None:
    assert site.get(PAUSE).status_code == 405
    assert site.get(RESUME).status_code == 405


def test_shows_machines_and_which_of_them_may_be_stopped(site: Client) -> None:
    parts = {"ffmpeg": {"status": "error", "message": "not found"}, "guard": {"status": "ok", "message": "answers"}}
    Node.objects.pulse("busy", slots=4, version="1.2", ytdlp_version="2026.1.1", components=parts)
    Node.objects.pulse("idle", slots=2)
    Node.objects.pulse("gone", slots=2)
    Node.objects.filter(pk="gone").update(seen_at=timezone.now() - timedelta(minutes=5))
    JobFactory(running=True, worker="busy/7/1")
    for name in ("busy", "idle"):
        site.post(PAUSE, {"kind": "node", "subject": name})
    answer = site.get(QUEUE)
    for said in ("draining", "drained: may be stopped", "silent", "ffmpeg: not found", "2026.1.1"):
        assert said in answer.text, said
    assert re.search(r"\b3\d\d s ago", answer.text)
    assert "guard" not in answer.text


def test_a_job_says_why_it_waits(site: Client) -> None:
    job = JobFactory()
    Hold.objects.place(HoldKind.HOST, job.host)
    assert "Its host is paused." in site.get(f"/admin/downloads/job/{job.pk}/change/").text


def test_a_paused_queue_is_told_to_everybody_and_to_health(page: Client) -> None:
    assert "paused by an operator" not in page.get("/").text
    Hold.objects.place(HoldKind.QUEUE)
    assert "Downloads are paused by an operator." in page.get("/").text
    (check,) = [check for check in examine().checks if check.name == "queue"]
    assert check.status == "warning"
    assert check.message.startswith("Paused by an operator; 0 waiting")
