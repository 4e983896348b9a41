from __future__ import annotations

from fractions import Fraction

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.limits import Policy, decide
from accounts.models import RateBucket
from accounts.models.bucket import NANOSECONDS
from tests.accounts.racing import race_processes

pytestmark = [pytest.mark.promise("S12"), pytest.mark.django_db]

NOON = 1_800_000_000 * NANOSECONDS
POLICY = Policy.of("test", 20, 100)


def seconds(number: float) -> int:
    return NOON + round(number * NANOSECONDS)


def allowed(policy: Policy, times: int, at: int = NOON, subjects: tuple[str, ...] = ("a",)) -> int:
    return sum(decide(policy, subjects, at=at).is_allowed for _ in range(times))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20, 59, 60, 61, 600, 997])
def test_gives_exactly_the_limit_at_one_moment(limit: int) -> None:
    assert allowed(Policy.of("test", limit), limit + 5) == limit


def test_gives_one_more_whenever_a_token_has_come_back() -> None:
    allowed(POLICY, 20)
    assert allowed(POLICY, 1, seconds(2.99)) == 0
    assert allowed(POLICY, 2, seconds(3.0)) == 1
    assert allowed(POLICY, 9, seconds(12.1)) == 3


def test_a_bucket_never_holds_more_than_its_limit() -> None:
    allowed(POLICY, 20)
    assert allowed(POLICY, 40, seconds(600)) == 20


def test_the_hour_counts_what_the_minutes_let_through() -> None:
    assert sum(allowed(POLICY, 30, seconds(60 * minute)) for minute in range(10)) == 115


def test_a_refusal_by_the_hour_takes_nothing_from_the_minute() -> None:
    policy = Policy.of("test", 20, 5)
    allowed(policy, 15)
    assert '"test-minute";r=15' in decide(policy, ["a"], at=NOON).header


def test_a_refusal_of_one_subject_takes_nothing_from_the_other() -> None:
    allowed(POLICY, 20, subjects=("address",))
    assert allowed(POLICY, 5, subjects=("key", "address")) == 0
    assert allowed(POLICY, 25, subjects=("key",)) == 20


def test_a_refusal_of_the_second_subject_takes_nothing_from_the_first() -> None:
    allowed(POLICY, 20, subjects=("z",))
    assert allowed(POLICY, 5, subjects=("a", "z")) == 0
    assert allowed(POLICY, 25, subjects=("a",)) == 20


def test_scopes_and_subjects_have_buckets_of_their_own() -> None:
    assert allowed(POLICY, 25, subjects=("a",)) == 20
    assert allowed(POLICY, 25, subjects=("b",)) == 20
    assert allowed(Policy.of("other", 20), 25, subjects=("a",)) == 20


def test_says_how_long_to_wait_and_that_is_enough() -> None:
    allowed(POLICY, 20)
    wait = decide(POLICY, ["a"], at=seconds(0.5)).wait_seconds
    assert wait == pytest.approx(2.5)
    assert decide(POLICY, ["a"], at=seconds(0.5 + wait)).is_allowed


def test_waits_for_the_slower_of_the_two_windows() -> None:
    policy = Policy.of("test", 20, 5)
    allowed(policy, 5)
    assert decide(policy, ["a"], at=NOON).wait_seconds == pytest.approx(720)


def test_the_headers_tell_what_is_left() -> None:
    first = decide(POLICY, ["a"], at=NOON)
    assert first.policy.header == '"test-minute";q=20;w=60, "test-hour";q=100;w=3600'
    assert first.header == '"test-minute";r=19;t=3, "test-hour";r=99;t=36'
    allowed(POLICY, 19)
    assert decide(POLICY, ["a"], at=NOON).header == '"test-minute";r=0;t=60, "test-hour";r=80;t=720'


def test_a_limit_of_none_limits_nothing_and_is_not_mentioned() -> None:
    policy = Policy.of("test", 0, 3)
    decision = decide(policy, ["a"], at=NOON)
    assert policy.header == '"test-hour";q=3;w=3600'
    assert decision.header == '"test-hour";r=2;t=1200'
    assert allowed(policy, 5) == 2
    assert allowed(Policy.of("free", 0, 0), 50) == 50


def test_a_clock_set_back_gives_nothing_away() -> None:
    allowed(POLICY, 20)
    assert allowed(POLICY, 5, seconds(-30)) == 0


def test_taking_is_one_statement_and_refusing_two(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1):
        decide(POLICY, ["a", "b"], at=NOON)
    allowed(POLICY, 19, subjects=("a", "b"))
    with django_assert_num_queries(2):
        assert not decide(POLICY, ["a", "b"], at=NOON).is_allowed


def test_uses_the_clock_when_it_is_given_no_moment() -> None:
    assert decide(POLICY, ["a"]).is_allowed
    assert decide(POLICY, ["a"]).header.startswith('"test-minute";r=18;t=6')
    assert sum(decide(POLICY, ["a"]).is_allowed for _ in range(25)) == 18


def test_purging_removes_full_buckets_and_so_changes_no_answer() -> None:
    decide(POLICY, ["old"], at=NOON)
    allowed(POLICY, 20, seconds(30), ("busy",))
    assert RateBucket.objects.purge(at=seconds(37)) == 1
    assert [row.key for row in RateBucket.objects.all()] == ["test:busy"]
    assert allowed(POLICY, 25, seconds(37), ("old",)) == 20
    assert allowed(POLICY, 25, seconds(37), ("busy",)) == 2


@pytest.mark.parametrize("hours", [1, 3, 30_000])
def test_a_clock_set_back_by_hours_locks_nobody_out(hours: int) -> None:
    allowed(POLICY, 20, seconds(3600 * hours + 61))
    assert allowed(POLICY, 25) == 20
    assert allowed(POLICY, 1) == 0


def test_purging_uses_the_clock_when_it_is_given_no_moment() -> None:
    decide(POLICY, ["a"])
    assert RateBucket.objects.purge() == 0


@given(
    limit=st.integers(1, 90),
    gaps=st.lists(st.integers(0, 70 * NANOSECONDS) | st.integers(0, NANOSECONDS), min_size=1, max_size=60),
)
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_a_bucket_that_counts_in_fractions(db: None, limit: int, gaps: list[int]) -> None:
    """The rate is that of a whole number of nanoseconds for a token, as the bucket has it."""
    RateBucket.objects.all().delete()
    policy = Policy.of("test", limit)
    capacity = Fraction(policy.minute.window, policy.minute.interval)
    tokens, now = capacity, NOON
    for gap in gaps:
        now += gap
        tokens = min(capacity, tokens + Fraction(gap, policy.minute.interval))
        is_allowed = tokens >= 1
        tokens -= is_allowed
        assert decide(policy, ["a"], at=now).is_allowed is is_allowed


@pytest.mark.django_db(transaction=True)
def test_two_hundred_at_once_from_two_processes_get_exactly_twenty() -> None:
    outcomes = race_processes("take", str(NOON))
    assert len(outcomes) == 200
    assert sum(outcomes) == 20


@pytest.mark.django_db(transaction=True)
def test_on_postgresql_the_buckets_wait_for_no_disk() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no such tables")
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'accounts_ratebucket'")
        assert cursor.fetchone() == ("u",)
