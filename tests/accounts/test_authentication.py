from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from accounts import keyformat
from accounts.models import ApiKey, Scope, User

pytestmark = pytest.mark.promise("S7")

ME, KEYS = "/api/v1/me", "/api/v1/keys"


@pytest.fixture
def plain(user: User) -> str:
    return ApiKey.objects.issue(user, "phone", [Scope.READ])[1]


def get(**headers: str) -> tuple[int, str, bytes]:
    answer = APIClient(headers={"X-Request-ID": "one-of-many"} | headers).get(ME)
    return answer.status_code, answer.headers.get("WWW-Authenticate", ""), answer.content


# --- Keys -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("header", ["X-API-Key: {}", "Authorization: Bearer {}", "Authorization: bearer   {}"])
def test_a_key_comes_in_either_header(plain: str, header: str) -> None:
    name, _, value = header.partition(": ")
    assert get(**{name: value.format(plain)})[0] == 200


def test_the_same_key_in_both_headers_is_one_key(plain: str) -> None:
    assert get(**{"X-API-Key": plain, "Authorization": f"Bearer {plain}"})[0] == 200


def test_every_unusable_key_gets_the_same_answer(user: User, plain: str) -> None:
    revoked, revoked_plain = ApiKey.objects.issue(user, "old", [Scope.READ])
    revoked.revoke()
    _, expired_plain = ApiKey.objects.issue(user, "older", [Scope.READ], timezone.now() + timedelta(seconds=1))
    ApiKey.objects.filter(name="older").update(
        created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(days=1)
    )
    attempts = [
        {"X-API-Key": revoked_plain},
        {"X-API-Key": expired_plain},
        {"X-API-Key": keyformat.generate()},
        {"X-API-Key": plain[:-1] + "~"},
        {"X-API-Key": ""},
        {"X-API-Key": "x" * 10_000},
        {"X-API-Key": "\xff\xfe" * 20},
        {"X-API-Key": f"{plain},{plain}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {plain} {plain}"},
        {"X-API-Key": plain, "Authorization": f"Bearer {revoked_plain}"},
        {"X-API-Key": plain, "Authorization": "Bearer"},
    ]
    answers = {get(**headers) for headers in attempts}
    assert len(answers) == 1
    status, challenge, _ = answers.pop()
    assert status == 401
    assert challenge == 'ApiKey realm="mediadl", Bearer realm="mediadl"'


def test_without_a_key_the_answer_is_401_with_a_challenge(db: None) -> None:
    status, challenge, _ = get()
    assert status == 401
    assert challenge.startswith("ApiKey realm=")


def test_another_scheme_than_bearer_is_no_key(plain: str) -> None:
    assert get(Authorization=f"Basic {plain}")[0] == 401


@pytest.mark.parametrize("where", ["api_key", "X-API-Key", "key", "token", "access_token"])
def test_a_key_in_the_query_or_a_cookie_is_not_looked_at(plain: str, where: str) -> None:
    client = APIClient()
    client.cookies[where] = plain
    assert client.get(ME, {where: plain}).status_code == 401


def test_a_key_in_the_body_is_not_looked_at(plain: str) -> None:
    assert APIClient().post(KEYS, {"api_key": plain, "name": "x"}, format="json").status_code == 401


def test_a_revoked_key_is_refused_with_the_next_request(user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", [Scope.READ])
    assert get(**{"X-API-Key": plain})[0] == 200
    key.revoke()
    assert get(**{"X-API-Key": plain})[0] == 401


def test_a_wrong_key_beats_a_good_session(user: User) -> None:
    client = APIClient(headers={"X-API-Key": keyformat.generate()})
    client.force_login(user)
    assert client.get(ME).status_code == 401


def test_no_key_appears_in_any_answer_or_query_of_a_request(plain: str) -> None:
    secret = plain[13:]
    with CaptureQueriesContext(connection) as queries:
        answer = APIClient(headers={"X-API-Key": plain}).get(ME)
    assert secret not in answer.content.decode()
    assert not [query for query in queries if secret in query["sql"]]


class Nothing(APIView):
    def get(self, request: Request) -> Response:
        return Response()


def test_knowing_and_limiting_who_asks_takes_two_queries(
    plain: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    request = APIRequestFactory().get("/", headers={"X-API-Key": plain})
    Nothing.as_view()(request)  # writes down the use, which the next minute does not
    with django_assert_num_queries(2):  # the key with its owner, and the rate
        assert Nothing.as_view()(request).status_code == 200


# --- Sessions ---------------------------------------------------------------------------------------------------
def test_a_session_reads_without_and_writes_with_csrf(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.get(ME).status_code == 200
    body = {"name": "phone"}
    assert client.post(KEYS, body, "application/json").status_code == 403
    assert not ApiKey.objects.exists()
    client.get("/accounts/keys/")
    token = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post(KEYS, body, "application/json", headers=token).status_code == 201


def test_a_session_of_an_inactive_user_is_nobody(user: User) -> None:
    client = APIClient()
    client.force_login(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get(ME).status_code == 401


# --- Without keys -----------------------------------------------------------------------------------------------
@pytest.fixture
def open_api(settings: Settings, db: None) -> None:
    settings.REQUIRE_API_KEY = False


def test_an_open_api_lets_everybody_in_as_one_principal(open_api: None) -> None:
    answer = APIClient().get(ME)
    assert answer.status_code == 200
    assert answer.json()["username"] == "anonymous"
    assert answer.json()["scopes"] == ["read", "write"]
    assert answer.json()["is_operator"] is False


def test_an_open_api_still_knows_keys_and_refuses_wrong_ones(open_api: None, plain: str) -> None:
    assert APIClient(headers={"X-API-Key": plain}).get(ME).json()["username"] == "ada"
    assert get(**{"X-API-Key": keyformat.generate()})[0] == 401


def test_nobody_makes_keys_in_an_open_api(open_api: None) -> None:
    answer = APIClient().post(KEYS, {"name": "phone"}, format="json")
    assert answer.status_code == 403
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://testserver.evil.example", "http://testserver:81"]
)
def test_an_open_api_refuses_pages_of_other_sites(open_api: None, origin: str) -> None:
    answer = APIClient().post(KEYS, {"name": "x"}, format="json", headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["code"] == "csrf_failed"


def test_an_open_api_serves_its_own_pages_and_allowed_ones(open_api: None, settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://friend.example"]
    for origin in ("http://testserver", "https://friend.example"):
        answer = APIClient().post(KEYS, {"name": "x"}, format="json", headers={"Origin": origin})
        assert answer.json()["code"] == "insufficient_scope"
