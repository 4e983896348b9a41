from __future__ import annotations

from typing import Any

import pytest

from downloads.engine.errors import ErrorCode, JobError
from downloads.engine.progress import Part
from downloads.engine.reporter import Reporter
from downloads.engine.spec import Event, Limits


class Hearing:
    """A reporter, its clock, and what it said."""

    def __init__(self, **limits: Any) -> None:
        self.now = 0.0
        self.events: list[Event] = []
        self.reporter = Reporter(self.events.append, Limits(**limits), lambda: self.now)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.name == name]


def arriving(size: int, key: str = "v", **more: Any) -> dict[str, Any]:
    info = {"format_id": key}
    return {"status": "downloading", "filename": key, "downloaded_bytes": size, "info_dict": info, **more}


def test_tells_progress_five_times_a_second_at_most() -> None:
    hearing = Hearing()
    hearing.reporter.plan([Part(key="v", size=1000, weight=1.0)])
    for step in range(101):
        hearing.now = step / 100
        hearing.reporter.arrived(arriving(step * 10, total_bytes=1000))
    assert 4 <= len(hearing.named("progress")) <= 6


def test_tells_the_end_of_a_format_at_once() -> None:
    hearing = Hearing()
    hearing.reporter.plan([Part(key="v", size=1000, weight=1.0)])
    hearing.reporter.arrived(arriving(10))
    hearing.reporter.arrived({**arriving(1000, total_bytes=1000), "status": "finished"})
    assert [data["percent"] for data in hearing.named("progress")][-1] == 95.0


def test_sidecars_count_against_the_limit_but_not_as_progress() -> None:
    hearing = Hearing(max_bytes=1000)
    hearing.reporter.plan([Part(key="v", size=900, weight=1.0)])
    hearing.reporter.arrived({"status": "downloading", "filename": "en.vtt", "downloaded_bytes": 200, "info_dict": {}})
    assert not hearing.named("progress")
    with pytest.raises(JobError, match="too_large"):
        hearing.reporter.arrived(arriving(801))


def test_an_announced_size_ends_an_attempt_before_it_arrives() -> None:
    hearing = Hearing(max_bytes=1000)
    hearing.reporter.plan([Part(key="v", size=None, weight=1.0)])
    with pytest.raises(JobError, match="too_large"):
        hearing.reporter.arrived(arriving(1, total_bytes=1001))
    with pytest.raises(JobError, match="too_large"):
        hearing.reporter.announce(1001)


def test_a_stage_is_told_once() -> None:
    hearing = Hearing()
    hearing.reporter.enter("extracting")
    hearing.reporter.enter("extracting")
    hearing.reporter.enter("downloading")
    assert [data["stage"] for data in hearing.named("stage")] == ["extracting", "downloading"]


def test_nobody_speaks_after_the_last_word() -> None:
    hearing = Hearing(no_progress_seconds=10)
    assert hearing.reporter.fail(JobError(ErrorCode.TOO_SLOW, "slow", retry_after=5))
    assert not hearing.reporter.end("done")
    assert not hearing.reporter.fail(JobError(ErrorCode.TIMEOUT))
    hearing.reporter.log("info", "late")
    hearing.now = 100
    assert hearing.reporter.verdict(0) is None
    assert [(event.name, event.data) for event in hearing.events] == [
        ("error", {"code": "too_slow", "message": "slow", "retry_after": 5})
    ]


def test_a_line_in_the_log_is_a_sign_of_life() -> None:
    hearing = Hearing(no_progress_seconds=10)
    hearing.now = 8
    hearing.reporter.log("info", "still here")
    hearing.now = 16
    assert hearing.reporter.verdict(0) is None
    hearing.now = 19
    verdict = hearing.reporter.verdict(0)
    assert verdict
    assert verdict.code is ErrorCode.TIMEOUT


def test_progress_may_come_from_elsewhere() -> None:
    hearing = Hearing()
    hearing.reporter.plan([Part(key="v", size=None, weight=1.0)])
    hearing.reporter.advance("v", {"fragment_index": 1, "fragment_count": 2})
    hearing.reporter.advance("x", {"fragment_index": 1, "fragment_count": 2})
    assert [data["percent"] for data in hearing.named("progress")] == [47.5]
    hearing.reporter.rise_to(99.0)
    assert hearing.named("progress")[-1]["percent"] == 99.0
