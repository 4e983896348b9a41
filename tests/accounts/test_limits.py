from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from accounts import keyformat, limits
from accounts.middleware import RateLimitHeadersMiddleware
from accounts.models import ApiKey, RateBucket, Scope, User
from tests.accounts.conftest import ApiOf
from tests.accounts.racing import race_processes
from tests.redis import redis_server

pytestmark = pytest.mark.promise("S12")

ME = "/api/v1/me"
KEYS = "/api/v1/keys"


@pytest.fixture(autouse=True)
def small(settings: Settings) -> None:
    """By the hour, so that no token comes back while a test runs."""
    settings.RATE_LIMIT_PER_MINUTE = 1000
    settings.RATE_LIMIT_PER_HOUR = 1


# --- The API ----------------------------------------------------------------------------------------------------
def test_every_answer_says_how_much_is_left(api: APIClient) -> None:
    answer = api.get(ME)
    assert answer.headers["RateLimit-Policy"] == '"reads-minute";q=10000;w=60, "reads-hour";q=10;w=3600'
    assert answer.headers["RateLimit"] == '"reads-minute";r=9999;t=1, "reads-hour";r=9;t=360'


def test_refuses_the_submission_after_the_last_with_a_time_to_wait(
    api_of: ApiOf, operator: User, settings: Settings
) -> None:
    settings.RATE_LIMIT_PER_HOUR = 3
    api = api_of(operator, "read", "admin")
    answers = [api.post(KEYS, {"name": "x", "scopes": ["read"]}, format="json") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert 1190 <= int(answers[-1].headers["Retry-After"]) <= 1200
    assert '"submissions-hour";r=0;t=' in answers[-1].headers["RateLimit"]
    assert ApiKey.objects.count() == 4


def test_reads_go_on_when_submissions_are_used_up(api_of: ApiOf, operator: User) -> None:
    api = api_of(operator, "read", "admin")
    assert [api.post(KEYS, {}, format="json").status_code for _ in range(2)] == [400, 429]
    assert api.get(KEYS).status_code == 200


def test_keys_of_one_address_share_its_rate(api_of: ApiOf, user: User, other: User) -> None:
    first, second = api_of(user), api_of(other)
    assert [first.get(ME).status_code for _ in range(11)][-1] == 429
    assert second.get(ME).status_code == 429


def test_a_keys_own_rate_is_its_alone_and_never_above_the_servers(
    api_of: ApiOf, user: User, settings: Settings
) -> None:
    settings.RATE_LIMIT_PER_MINUTE, settings.RATE_LIMIT_PER_HOUR = 4, 1000
    slow, free = api_of(user), api_of(user)
    first, second = ApiKey.objects.order_by("id")
    first.change(rate_limit_per_minute=1)
    second.change(rate_limit_per_minute=100)
    answers = [slow.get(ME) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[0].headers["RateLimit-Policy"].startswith('"reads-minute";q=10;w=60')
    assert int(answers[-1].headers["Retry-After"]) <= 6
    answer = free.get(ME)
    assert (answer.status_code, answer.json()["reads"]["per_minute"]) == (200, 40)


def test_a_key_has_one_rate_from_every_address(api_of: ApiOf, user: User) -> None:
    api = api_of(user)
    statuses = [api.get(ME, REMOTE_ADDR=f"203.0.113.{number}").status_code for number in range(12)]
    assert statuses.count(200) == 10


def test_a_forged_header_buys_nothing(api_of: ApiOf, user: User) -> None:
    statuses = [
        api_of(user).get(ME, headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code for number in range(12)
    ]
    assert statuses.count(200) == 10


def test_refused_keys_are_paid_for_by_their_address(db: None) -> None:
    answers = [APIClient().get(ME, headers={"X-API-Key": keyformat.generate()}) for _ in range(12)]
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 2)
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert "RateLimit" in answers[0].headers


def test_an_open_api_counts_addresses_and_not_everybody_together(settings: Settings, db: None) -> None:
    settings.REQUIRE_API_KEY = False
    for number in range(12):
        APIClient().get(ME, REMOTE_ADDR=f"203.0.113.{number}")
    assert APIClient().get(ME, REMOTE_ADDR="203.0.113.200").status_code == 200
    assert not RateBucket.objects.filter(key__contains="user").exists()


@pytest.mark.parametrize(
    ("method", "view", "scope"),
    [
        ("GET", APIView(), "reads"),
        ("DELETE", APIView(), "reads"),
        ("POST", APIView(), "submissions"),
        ("POST", ViewSet(detail=False), "submissions"),
        ("POST", ViewSet(detail=True), "reads"),
        ("PATCH", ViewSet(detail=True), "reads"),
        ("GET", type("Extraction", (APIView,), {"rate_scope": "submissions"})(), "submissions"),
    ],
)
def test_posts_that_make_something_are_submissions(method: str, view: APIView, scope: str) -> None:
    request = Request(APIRequestFactory().generic(method, "/"))
    assert limits.rate_scope_of(request, view) == scope


@pytest.mark.django_db(transaction=True)
def test_two_hundred_posts_at_once_from_two_processes_let_twenty_through(user: User) -> None:
    _, plain = ApiKey.objects.issue(user, "test", [Scope.WRITE])
    statuses = race_processes("post", plain, RATE_LIMIT_PER_MINUTE="1000", RATE_LIMIT_PER_HOUR="20")
    assert (statuses.count(201), statuses.count(429)) == (20, 180)


def test_the_middleware_leaves_other_answers_alone(rf: RequestFactory) -> None:
    answer = RateLimitHeadersMiddleware(lambda _: HttpResponse())(rf.get("/"))
    assert "RateLimit" not in answer.headers


# --- Forms ------------------------------------------------------------------------------------------------------
@limits.limit_form("test", 3)
def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse("done")


def post(rf: RequestFactory, user: User | AnonymousUser | None = None, remote: str = "203.0.113.1") -> Any:
    request = rf.post("/", REMOTE_ADDR=remote)
    request.user = user or AnonymousUser()
    return form(request)


def test_a_form_is_limited_per_address(rf: RequestFactory, db: None) -> None:
    assert [post(rf).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert post(rf, remote="203.0.113.2").status_code == 200


def test_a_form_is_limited_per_person_from_every_address(rf: RequestFactory, user: User) -> None:
    statuses = [post(rf, user, f"203.0.113.{number}").status_code for number in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_a_refused_post_gets_a_page_that_says_when(rf: RequestFactory, db: None) -> None:
    answer = [post(rf) for _ in range(4)][-1]
    assert 15 <= int(answer.headers["Retry-After"]) <= 20
    assert f"wait {answer.headers['Retry-After']} seconds" in answer.content.decode()


def test_looking_at_a_form_costs_nothing(rf: RequestFactory, db: None) -> None:
    request = rf.get("/")
    request.user = AnonymousUser()
    assert [form(request).status_code for _ in range(10)] == [200] * 10
    assert not RateBucket.objects.exists()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with redis_server(tmp_path) as address:
        yield address


def use_redis(settings: Settings, url: str) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}}


def test_with_redis_forms_are_counted_there(rf: RequestFactory, settings: Settings, redis_url: str, db: None) -> None:
    use_redis(settings, redis_url)
    answers = [post(rf) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert not RateBucket.objects.exists()
    cache.close()


def test_while_redis_is_away_the_bucket_counts(
    rf: RequestFactory, settings: Settings, db: None, tmp_path: Path
) -> None:
    use_redis(settings, f"unix://{tmp_path}/nobody.sock")
    assert [post(rf).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert RateBucket.objects.exists()


def test_purging_keeps_what_still_counts(api: APIClient) -> None:
    api.get(ME)
    assert limits.purge() == 0
    assert limits.purge(at=time.time_ns() + 10**12) == 2
