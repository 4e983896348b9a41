from __future__ import annotations

import pytest

from downloads.engine.errors import JobError
from downloads.engine.limits import SPEED_WINDOW_SECONDS, Watch
from downloads.engine.spec import Limits

pytestmark = pytest.mark.promise("S12")

MIB = 1024**2


def a_watch(**limits: float) -> Watch:
    return Watch(Limits(**{"max_bytes": 100 * MIB, "no_progress_seconds": 60, **limits}), now=0.0)  # type: ignore[arg-type]


def code_of(error: JobError | None) -> str | None:
    return str(error.code) if error else None


def test_refuses_what_is_announced_too_large() -> None:
    watch = a_watch()
    watch.announce(None)
    watch.announce(100 * MIB)
    with pytest.raises(JobError, match="too_large"):
        watch.announce(100 * MIB + 1)


def test_adds_up_the_files_that_arrive() -> None:
    watch = a_watch()
    watch.arrived("a", 60 * MIB, 1.0)
    watch.arrived("a", 70 * MIB, 1.0)
    with pytest.raises(JobError, match="too_large"):
        watch.arrived("b", 31 * MIB, 1.0)


def test_the_disk_counts_too() -> None:
    watch = a_watch()
    watch.enter("downloading", 0.0)
    assert watch.verdict(104 * MIB, 1.0) is None
    assert code_of(watch.verdict(106 * MIB, 1.0)) == "too_large"


def test_copies_lie_side_by_side_while_they_are_processed() -> None:
    watch = a_watch()
    watch.enter("postprocessing", 0.0)
    assert watch.verdict(300 * MIB, 1.0) is None
    assert code_of(watch.verdict(317 * MIB, 1.0)) == "too_large"


@pytest.mark.parametrize(
    ("stage", "code"), [("extracting", "timeout"), ("downloading", "too_slow"), ("postprocessing", "timeout")]
)
def test_silence_ends_an_attempt(stage: str, code: str) -> None:
    watch = a_watch()
    watch.enter(stage, 0.0)  # type: ignore[arg-type]
    assert watch.verdict(0, 60.0) is None
    assert code_of(watch.verdict(0, 60.1)) == code


def test_any_sign_of_life_counts() -> None:
    watch = a_watch()
    watch.show_life(50.0)
    assert watch.verdict(0, 100.0) is None
    watch.arrived("a", 1, 100.0)
    assert watch.verdict(0, 150.0) is None
    assert watch.verdict(5, 155.0) is None
    assert watch.verdict(5, 210.0) is None
    watch.arrived("a", 1, 210.0)
    assert code_of(watch.verdict(5, 216.0)) == "timeout"


def test_a_trickle_is_too_slow() -> None:
    watch = a_watch(min_speed_bytes=100)
    watch.enter("downloading", 0.0)
    watch.arrived("a", 5000, 10.0)
    assert watch.verdict(0, SPEED_WINDOW_SECONDS - 1) is None
    assert watch.verdict(0, SPEED_WINDOW_SECONDS) is None
    watch.arrived("a", 7000, 50.0)
    assert code_of(watch.verdict(0, 2 * SPEED_WINDOW_SECONDS)) == "too_slow"


def test_what_only_the_disk_shows_has_a_speed_too() -> None:
    watch = a_watch(min_speed_bytes=100)
    watch.enter("downloading", 0.0)
    assert watch.verdict(5000, SPEED_WINDOW_SECONDS) is None


def test_speed_matters_only_while_downloading() -> None:
    watch = a_watch(min_speed_bytes=100)
    watch.enter("postprocessing", 0.0)
    assert watch.verdict(0, 59.0) is None
