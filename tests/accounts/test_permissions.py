from __future__ import annotations

from typing import Any

import pytest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts.models import ApiKey, Scope, User
from accounts.principal import principal_of, scopes_of


class Plain(APIView):
    required_scopes: dict[str, str] = {}

    def get(self, request: Request) -> Response:
        return Response()

    post = delete = get


class OnlyForOperators(Plain):
    required_scopes = {"*": "admin"}


class ReadingByPost(Plain):
    required_scopes = {"POST": "read"}


def status(view: type[APIView], method: str, plain: str) -> tuple[int, Any]:
    request = APIRequestFactory().generic(method, "/", headers={"X-API-Key": plain})
    answer = view.as_view()(request)
    return answer.status_code, answer.data.get("code") if answer.data else None


@pytest.mark.parametrize(
    ("view", "scopes", "method", "expected"),
    [
        (Plain, ["read"], "GET", 200),
        (Plain, ["read"], "HEAD", 200),
        (Plain, ["read"], "POST", 403),
        (Plain, ["read"], "DELETE", 403),
        (Plain, ["write"], "POST", 200),
        (Plain, ["write"], "GET", 403),
        (Plain, ["admin"], "GET", 403),
        (OnlyForOperators, ["read", "write"], "GET", 403),
        (OnlyForOperators, ["admin"], "GET", 200),
        (OnlyForOperators, ["admin"], "POST", 200),
        (ReadingByPost, ["read"], "POST", 200),
        (ReadingByPost, ["read"], "DELETE", 403),
    ],
)
def test_a_key_does_what_its_scopes_say(
    operator: User, view: type[APIView], scopes: list[str], method: str, expected: int
) -> None:
    _, plain = ApiKey.objects.issue(operator, "test", scopes)
    code = "insufficient_scope" if expected == 403 else None
    assert status(view, method, plain) == (expected, code)


def test_a_key_loses_admin_when_its_owner_does(operator: User) -> None:
    _, plain = ApiKey.objects.issue(operator, "test", Scope)
    assert status(OnlyForOperators, "GET", plain)[0] == 200
    User.objects.filter(pk=operator.pk).update(is_staff=False)
    assert status(OnlyForOperators, "GET", plain)[0] == 403
    assert status(Plain, "GET", plain)[0] == 200


def test_a_key_can_do_no_more_than_it_says_whoever_owns_it(operator: User) -> None:
    key, _ = ApiKey.objects.issue(operator, "test", ["read"])
    assert scopes_of(operator, key) == {Scope.READ}


def test_a_person_reads_and_writes_and_administers_only_as_an_operator(user: User, operator: User) -> None:
    assert scopes_of(user, None) == {Scope.READ, Scope.WRITE}
    assert scopes_of(operator, None) == {Scope.READ, Scope.WRITE, Scope.ADMIN}


def test_there_is_no_principal_of_nobody(rf: Any) -> None:
    request = rf.get("/")
    request.user = None
    with pytest.raises(PermissionError):
        principal_of(request)
