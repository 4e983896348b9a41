"""What the guard has counted reaches the counters once, whatever becomes of guard and supervisor."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from downloads.guard_counts import GuardCounts
from downloads.models import Counter

pytestmark = pytest.mark.django_db


@pytest.fixture
def stats(tmp_path: Path) -> Path:
    return tmp_path / "guard.json"


def say(stats: Path, **counted: Any) -> None:
    beginning = {"pid": os.getpid(), "started_at": time.time() + 1, "allowed": 0, "denied": {}, "failed": {}}
    stats.write_text(json.dumps(beginning | {"relayed_bytes": 0} | counted))


def counted() -> dict[str, float]:
    return {
        f"{row.label_set.get('verdict', '')} {row.label_set.get('reason', '')}".strip(): row.value for row in all_()
    }


def all_() -> list[Counter]:
    return list(Counter.objects.all())


def test_carries_over_what_is_new_since_the_last_time(stats: Path) -> None:
    counts = GuardCounts(stats)
    counts.carry_over()
    assert counted() == {}
    say(stats, allowed=3, denied={"private_address": 2}, relayed_bytes=1000, started_at=2**33)
    counts.carry_over()
    counts.carry_over()
    assert counted() == {"allowed": 3, "denied private_address": 2, "": 1000}
    say(stats, allowed=4, denied={"private_address": 2}, failed={"refused": 1}, relayed_bytes=1500, started_at=2**33)
    counts.carry_over()
    assert counted() == {"allowed": 4, "denied private_address": 2, "failed refused": 1, "": 1500}


def test_a_guard_that_was_restarted_does_not_make_a_counter_fall(stats: Path) -> None:
    counts = GuardCounts(stats)
    for started_at in (2**33, 2**33 + 5):
        say(stats, allowed=3, started_at=started_at)
        counts.carry_over()
    assert counted() == {"allowed": 6}


def test_a_restarted_supervisor_does_not_count_what_was_counted_before(stats: Path) -> None:
    say(stats, allowed=3, started_at=time.time() - 60)
    GuardCounts(stats).carry_over()
    assert counted() == {}


def test_what_could_not_be_written_is_written_later(stats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = GuardCounts(stats)
    say(stats, allowed=3)

    def refuse(*_: Any) -> None:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(type(Counter.objects.all()), "add", refuse)
        patched.setattr(type(Counter.objects), "add", refuse)
        with pytest.raises(OperationalError):
            counts.carry_over()
    counts.carry_over()
    assert counted() == {"allowed": 3}


@pytest.mark.parametrize("text", ["", "{", "null[]"])
def test_a_file_that_cannot_be_read_counts_nothing(stats: Path, text: str) -> None:
    stats.write_text(text)
    GuardCounts(stats).carry_over()
    assert counted() == {}
