"""What rows are called where people meet them: in the admin, its log, and its questions before it deletes."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model

from accounts.models import ApiKey, DayUsage, IdempotentAnswer, RateBucket, Session, SignInLink, User
from downloads.models import (
    AuditRecord,
    Batch,
    BatchEvent,
    CookieJar,
    Counter,
    Downloaded,
    Hold,
    Job,
    JobEvent,
    JobLog,
    LastChoices,
    Link,
    LinkVisit,
    MediaFile,
    Node,
    Preset,
    Probe,
    Sample,
)
from webhooks.models import Delivery, Endpoint

ID = uuid.UUID(int=7)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
WORDS: list[tuple[type[Model], dict[str, Any], str]] = [
    (ApiKey, {"name": "player", "prefix": "a1b2c3"}, "player (mdl_a1b2c3_…)"),
    (ApiKey, {"name": "old"}, "old (…)"),
    (DayUsage, {"subject": ID, "day": date(2026, 1, 2)}, f"{ID} on 2026-01-02"),
    (IdempotentAnswer, {"status": 202, "digest": "abcdefgh" * 8}, "202 for abcdefgh"),
    (RateBucket, {"key": "submit:ada"}, "submit:ada"),
    (Session, {"session_key": "abc"}, "abc"),
    (SignInLink, {"user": User(username="ada"), "expires_at": NOON}, "link for ada, until 2026-01-02 12:00"),
    (User, {"username": "ada"}, "ada"),
    (AuditRecord, {"node": "one"}, "one: nothing"),
    (AuditRecord, {"node": "one", "findings": {"orphans": {"count": 2, "keys": []}}}, "one: 2 orphans"),
    (Batch, {"id": ID, "kind": "playlist", "status": "running"}, f"playlist {ID} (running)"),
    (BatchEvent, {"kind": "completed", "batch_id": ID}, f"completed of {ID}"),
    (CookieJar, {"name": "work"}, "work"),
    (Counter, {"name": "jobs", "labels": '{"status": "failed"}'}, 'jobs{"status": "failed"}'),
    (Downloaded, {"extractor": "Vimeo", "media_id": "76979871"}, "Vimeo 76979871"),
    (Hold, {"kind": "queue"}, "The queue"),
    (Hold, {"kind": "host", "subject": "a.example"}, "a.example"),
    (Hold, {"kind": "owner", "subject": str(ID), "owner": User(username="ada")}, "ada"),
    (Job, {"id": ID, "status": "queued"}, f"{ID} (queued)"),
    (JobEvent, {"kind": "started", "job_id": ID}, f"started of {ID}"),
    (JobLog, {"level": "warning", "message": "It is slow."}, "warning: It is slow."),
    (LastChoices, {"owner_id": ID}, f"last choices of {ID}"),
    (Link, {"id": ID, "label": "for Grace"}, "for Grace"),
    (Link, {"id": ID}, str(ID)),
    (LinkVisit, {"visitor": "0123", "link_id": ID}, f"0123 at {ID}"),
    (MediaFile, {"filename": "clip.mp4"}, "clip.mp4"),
    (Node, {"name": "one"}, "one"),
    (Preset, {"name": "Music"}, "Music"),
    (Probe, {"id": ID, "kind": "list", "status": "done"}, f"list of {ID} (done)"),
    (Sample, {"taken_at": NOON}, "2026-01-02 12:00"),
    (Delivery, {"event": "download.completed", "status": "dead"}, "download.completed (dead)"),
    (Endpoint, {"url": "https://a.example/"}, "https://a.example/"),
    (Endpoint, {}, "the addresses of single requests"),
]


@pytest.mark.parametrize(("model", "fields", "words"), WORDS, ids=[f"{one[0].__name__}-{one[2]}" for one in WORDS])
def test_a_row_is_called_what_it_is(model: type[Model], fields: dict[str, Any], words: str) -> None:
    assert str(model(**fields)) == words


def test_each_model_has_words_of_its_own() -> None:
    ours = {model for name in ("accounts", "downloads", "webhooks") for model in apps.get_app_config(name).get_models()}
    assert {model for model, _, _ in WORDS} == ours
