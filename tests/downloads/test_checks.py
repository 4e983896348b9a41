"""What would break at run time is refused at the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings


def ids() -> set[str | None]:
    return {message.id for message in run_checks() if (message.id or "").startswith("downloads.")}


def test_nothing_is_wrong_with_the_defaults() -> None:
    assert ids() == set()


def test_crash_points_are_refused_outside_the_tests(settings: Settings, tmp_path: Path) -> None:
    settings.CRASH_POINTS = str(tmp_path)
    assert ids() == set()
    settings.TESTING = False
    assert ids() == {"downloads.E003"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("EGRESS_ALLOW", "10.0.0.0/99", "downloads.E002"),
        ("EGRESS_PORTS", "many", "downloads.E002"),
        ("REQUIRE_API_KEY", False, "downloads.W002"),
    ],
)
def test_a_setting_that_makes_trouble_is_told(settings: Settings, name: str, value: object, expected: str) -> None:
    setattr(settings, name, value)
    assert ids() == {expected}


def test_the_queue_must_share_the_database_of_the_jobs(settings: Settings) -> None:
    settings.REDIS_URL = ""
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"orm": "elsewhere"}
    assert ids() == {"downloads.E001"}
