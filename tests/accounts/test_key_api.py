from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import ApiKey, Scope, User
from accounts.models.key import LIMITS
from tests.accounts.conftest import ApiOf

KEYS, ME = "/api/v1/keys", "/api/v1/me"


@pytest.fixture
def key(user: User) -> ApiKey:
    return ApiKey.objects.issue(user, "phone", [Scope.READ, Scope.WRITE])[0]


@pytest.fixture
def session(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def at(key: ApiKey, action: str = "") -> str:
    return f"{KEYS}/{key.pk}{action}"


def code(answer: Any) -> str:
    return str(answer.json()["code"])


# --- Making -----------------------------------------------------------------------------------------------------
def test_a_new_key_is_in_the_answer_and_works(session: APIClient) -> None:
    answer = session.post(KEYS, {"name": "phone", "scopes": ["read"]}, format="json")
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["Location"] == f"{KEYS}/{body['key_id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert body["scopes"] == ["read"]
    assert body["state"] == "active"
    me = APIClient(headers={"X-API-Key": body["key"]}).get(ME).json()
    assert me["key"]["key_id"] == body["key_id"]
    assert body["key"] not in session.get(KEYS).content.decode()


def test_a_new_key_reads_and_writes_for_ever_unless_said_otherwise(session: APIClient) -> None:
    body = session.post(KEYS, {"name": "phone"}, format="json").json()
    assert (body["scopes"], body["expires_at"]) == (["read", "write"], None)


def test_a_new_key_expires_when_it_is_told_to(session: APIClient) -> None:
    moment = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    body = session.post(KEYS, {"name": "x", "expires_at": moment.isoformat()}, format="json").json()
    assert datetime.fromisoformat(body["expires_at"]) == moment


def test_asking_twice_makes_two_keys(session: APIClient) -> None:
    first, second = (session.post(KEYS, {"name": "phone"}, format="json").json() for _ in range(2))
    assert first["key"] != second["key"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "validation_failed"),
        ({"name": ""}, "validation_failed"),
        ({"name": 5}, "validation_failed"),
        ({"name": None}, "validation_failed"),
        ({"name": "x" * 101}, "validation_failed"),
        ({"name": "two\nlines"}, "validation_failed"),
        ({"name": "x", "scopes": []}, "validation_failed"),
        ({"name": "x", "scopes": ["root"]}, "validation_failed"),
        ({"name": "x", "scopes": "read"}, "validation_failed"),
        ({"name": "x", "scopes": [None]}, "validation_failed"),
        ({"name": "x", "scopes": ["read"] * 5}, "validation_failed"),
        ({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "validation_failed"),
        ({"name": "x", "expires_at": "9999-12-31T23:59:59Z"}, "validation_failed"),
        ({"name": "x", "expires_at": "0001-01-01T00:00:00+23:59"}, "validation_failed"),
        ({"name": "x", "expires_at": "tomorrow"}, "validation_failed"),
        ({"name": "x", "key": "mdl_mine"}, "unknown_field"),
        ({"name": "x", "owner": "root"}, "unknown_field"),
        ({"name": "x", "digest": "0" * 64}, "unknown_field"),
    ],
)
def test_a_wrong_body_makes_no_key(session: APIClient, body: dict[str, Any], expected: str) -> None:
    answer = session.post(KEYS, body, format="json")
    assert (answer.status_code, code(answer)) == (400, expected)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("body", ['{"name": "\\u0000"}', '{"name": "\\ud800"}', "[]", "{", '{"name": NaN}'])
def test_what_is_hardly_json_makes_no_key(session: APIClient, body: str) -> None:
    answer = session.post(KEYS, body, content_type="application/json")
    assert answer.status_code == 400
    assert not ApiKey.objects.exists()


# --- Who may ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("scopes", [["read"], ["write"], ["read", "write"]])
def test_a_key_without_admin_makes_and_changes_no_keys(
    api_of: ApiOf, user: User, key: ApiKey, scopes: list[str]
) -> None:
    api = api_of(user, *scopes)
    before = rows()
    answers = [
        api.post(KEYS, {"name": "x", "scopes": ["read"]}, format="json"),
        api.patch(at(key), {"name": "x"}, format="json"),
        api.post(at(key, "/rotate"), {}, format="json"),
        api.delete(at(key)),
    ]
    assert [(answer.status_code, code(answer)) for answer in answers] == [(403, "insufficient_scope")] * 4
    assert rows() == before


def rows() -> list[dict[str, Any]]:
    return [dict(row) | {"last_used_at": None} for row in ApiKey.objects.order_by("pk").values()]


def test_a_key_that_administers_makes_keys_with_the_scopes_it_has(api_of: ApiOf, operator: User) -> None:
    api = api_of(operator, "read", "admin")
    made = api.post(KEYS, {"name": "x", "scopes": ["read", "admin"]}, format="json")
    assert made.status_code == 201
    refused = api.post(KEYS, {"name": "x", "scopes": ["read", "write"]}, format="json")
    assert (refused.status_code, code(refused)) == (403, "insufficient_scope")


def test_rotating_is_no_way_to_a_scope_that_one_lacks(api_of: ApiOf, operator: User) -> None:
    strong, _ = ApiKey.objects.issue(operator, "strong", Scope)
    answer = api_of(operator, "admin").post(at(strong, "/rotate"), {}, format="json")
    assert (answer.status_code, code(answer)) == (403, "insufficient_scope")
    assert ApiKey.objects.count() == 2


def test_a_person_who_is_no_operator_makes_no_key_that_administers(session: APIClient) -> None:
    answer = session.post(KEYS, {"name": "x", "scopes": ["admin"]}, format="json")
    assert (answer.status_code, code(answer)) == (403, "insufficient_scope")


def test_somebody_elses_key_is_not_there(session: APIClient, other: User, operator: User, api_of: ApiOf) -> None:
    foreign, _ = ApiKey.objects.issue(other, "theirs", [Scope.READ])
    for api in (session, api_of(operator, *Scope)):
        statuses = [
            api.get(at(foreign)).status_code,
            api.patch(at(foreign), {"name": "mine"}, format="json").status_code,
            api.post(at(foreign, "/rotate"), {}, format="json").status_code,
            api.delete(at(foreign)).status_code,
        ]
        assert statuses == [404] * 4
        assert str(foreign.pk) not in api.get(KEYS).content.decode()
    foreign.refresh_from_db()
    assert (foreign.name, foreign.revoked_at, foreign.rotated_at) == ("theirs", None, None)


def test_a_stranger_gets_401_everywhere(key: ApiKey) -> None:
    api = APIClient()
    answers = [
        api.get(KEYS),
        api.post(KEYS, {"name": "x"}, format="json"),
        api.get(at(key)),
        api.patch(at(key), {"name": "x"}, format="json"),
        api.delete(at(key)),
        api.post(at(key, "/rotate"), {}, format="json"),
        api.get(ME),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all("WWW-Authenticate" in answer.headers for answer in answers)


def test_a_key_that_writes_only_lists_nothing(api_of: ApiOf, user: User) -> None:
    assert api_of(user, "write").get(KEYS).status_code == 403


# --- Listing ----------------------------------------------------------------------------------------------------
def test_the_list_shows_ones_own_keys_newest_first_without_secrets(session: APIClient, user: User) -> None:
    made = [ApiKey.objects.issue(user, f"key {number}", [Scope.READ]) for number in range(3)]
    answer = session.get(KEYS)
    assert [row["name"] for row in answer.json()["results"]] == ["key 2", "key 1", "key 0"]
    text = answer.content.decode()
    assert not [plain for key, plain in made if plain[13:] in text or key.digest in text]


def test_the_list_comes_in_pages(session: APIClient, user: User) -> None:
    for number in range(5):
        ApiKey.objects.issue(user, f"key {number}", [Scope.READ])
    seen, address = [], f"{KEYS}?limit=2"
    while address:
        page = session.get(address).json()
        seen += [row["name"] for row in page["results"]]
        address = page["next"]
    assert seen == ["key 4", "key 3", "key 2", "key 1", "key 0"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=1&limit=2", "page=2"])
def test_a_wrong_query_is_refused(session: APIClient, query: str) -> None:
    assert session.get(f"{KEYS}?{query}").status_code == 400


def test_an_invented_cursor_is_not_there(session: APIClient) -> None:
    assert session.get(f"{KEYS}?cursor=cD05OTk5").status_code == 404


def test_the_list_takes_as_many_queries_for_ten_keys_as_for_one(
    session: APIClient, user: User, key: ApiKey, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def count() -> None:
        with django_assert_num_queries(4):  # session, user, rate, keys
            session.get(KEYS)

    count()
    for number in range(9):
        ApiKey.objects.issue(user, f"key {number}", [Scope.READ])
    count()


# --- One key ----------------------------------------------------------------------------------------------------
def test_one_key(session: APIClient, key: ApiKey) -> None:
    body = session.get(at(key)).json()
    assert set(body) == {
        "key_id",
        "name",
        "prefix",
        "scopes",
        "state",
        "is_from_environment",
        "created_at",
        "expires_at",
        "rotated_at",
        "revoked_at",
        "last_used_at",
        "max_concurrent_jobs",
        "max_jobs_per_day",
        "rate_limit_per_minute",
    }


def test_a_key_gets_limits_and_its_successor_has_them_too(session: APIClient) -> None:
    limits = {"max_concurrent_jobs": 2, "max_jobs_per_day": 10, "rate_limit_per_minute": 5}
    made = session.post(KEYS, {"name": "phone", **limits}, format="json").json()
    assert limits.items() <= made.items()
    address = f"{KEYS}/{made['key_id']}"
    changed = session.patch(address, {"max_jobs_per_day": None, "max_concurrent_jobs": 3}, format="json").json()
    wanted = {"name": "phone", **limits, "max_jobs_per_day": None, "max_concurrent_jobs": 3}
    assert wanted.items() <= changed.items()
    assert wanted.items() <= session.post(f"{address}/rotate", {}, format="json").json().items()


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True, 10**10])
def test_a_wrong_limit_is_refused_and_changes_nothing(
    session: APIClient, key: ApiKey, name: str, value: object
) -> None:
    assert code(session.post(KEYS, {"name": "x", name: value}, format="json")) == "validation_failed"
    assert code(session.patch(at(key), {name: value}, format="json")) == "validation_failed"
    assert [getattr(found, name) for found in ApiKey.objects.all()] == [None]


@pytest.mark.parametrize("key_id", ["x", "0" * 36, "00000000-0000-0000-0000-000000000000"])
def test_a_key_that_never_was_is_not_there(session: APIClient, key_id: str) -> None:
    assert session.get(f"{KEYS}/{key_id}").status_code == 404


def test_renaming_changes_the_name_and_nothing_else(session: APIClient, key: ApiKey) -> None:
    answer = session.patch(at(key), {"name": "tablet"}, format="json")
    assert (answer.status_code, answer.json()["name"]) == (200, "tablet")
    assert session.patch(at(key), {"name": "x", "scopes": ["admin"]}, format="json").status_code == 400
    assert session.patch(at(key), {}, format="json").json()["name"] == "tablet"
    key.refresh_from_db()
    assert (key.name, key.scopes) == ("tablet", "read,write")


def test_a_revoked_key_cannot_be_renamed_or_rotated(session: APIClient, key: ApiKey) -> None:
    key.revoke()
    for answer in (
        session.patch(at(key), {"name": "x"}, format="json"),
        session.post(at(key, "/rotate"), {}, format="json"),
    ):
        assert (answer.status_code, code(answer)) == (409, "wrong_state")


def test_deleting_revokes_at_once_and_may_be_repeated(session: APIClient, user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", [Scope.READ])
    assert [session.delete(at(key)).status_code for _ in range(2)] == [204, 204]
    assert APIClient(headers={"X-API-Key": plain}).get(ME).status_code == 401
    assert session.get(at(key)).json()["state"] == "revoked"


def test_rotating_answers_with_a_new_key_beside_the_old(session: APIClient, user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", [Scope.READ])
    answer = session.post(at(key, "/rotate"), {"overlap_hours": 1}, format="json")
    assert answer.status_code == 201
    body = answer.json()
    assert answer.headers["Location"] == f"{KEYS}/{body['key_id']}"
    for working in (plain, body["key"]):
        assert APIClient(headers={"X-API-Key": working}).get(ME).status_code == 200
    assert ApiKey.objects.presented(plain, timezone.now() + timedelta(hours=2)) is None


def test_rotating_ends_the_old_key_at_once_unless_said_otherwise(session: APIClient, user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "phone", [Scope.READ])
    assert session.post(at(key, "/rotate")).status_code == 201
    assert APIClient(headers={"X-API-Key": plain}).get(ME).status_code == 401


def test_rotating_twice_makes_one_key(session: APIClient, key: ApiKey) -> None:
    statuses = [session.post(at(key, "/rotate"), {"overlap_hours": 1}, format="json").status_code for _ in range(2)]
    assert statuses == [201, 409]
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize("overlap", [-1, 721, "1", 1.5, None, True, 10**30])
def test_a_wrong_overlap_rotates_nothing(session: APIClient, key: ApiKey, overlap: Any) -> None:
    assert session.post(at(key, "/rotate"), {"overlap_hours": overlap}, format="json").status_code == 400
    assert ApiKey.objects.count() == 1


def test_other_methods_are_not_allowed(session: APIClient, key: ApiKey) -> None:
    assert session.put(at(key), {"name": "x"}, format="json").status_code == 405
    assert session.get(at(key, "/rotate")).status_code == 405
    assert session.post(ME, {}, format="json").status_code == 405


# --- Me ---------------------------------------------------------------------------------------------------------
def test_me_says_who_what_and_how_much(api: APIClient, user: User) -> None:
    User.objects.filter(pk=user.pk).update(max_concurrent_jobs=2, max_stored_bytes=10**12)
    body = api.get(ME).json()
    assert (body["user_id"], body["username"], body["is_operator"]) == (str(user.pk), "ada", False)
    assert body["scopes"] == ["read", "write"]
    assert body["key"]["name"] == "test"
    assert (body["max_concurrent_jobs"], body["max_stored_bytes"]) == (2, 10**12)
    assert body["usage"] == dict.fromkeys(
        ("running_jobs", "queued_jobs", "jobs_today", "bytes_today", "stored_bytes"), 0
    )
    assert body["limits"] == {
        "concurrent_jobs": 2,
        "queued_jobs": 10_000,
        "jobs_per_day": None,
        "bytes_per_day": None,
        "stored_bytes": 10**12,
    }
    assert datetime.now(UTC) < datetime.fromisoformat(body["day_resets_at"]) <= datetime.now(UTC) + timedelta(days=1)
    assert body["submissions"] == {"per_minute": 60, "per_hour": 1000}
    assert body["reads"] == {"per_minute": 600, "per_hour": 10000}


def test_me_of_a_session_has_no_key(session: APIClient) -> None:
    assert session.get(ME).json()["key"] is None


def test_me_refuses_a_query(api: APIClient) -> None:
    assert api.get(f"{ME}?verbose=1").status_code == 400
