"""Which scope a request needs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import Scope, User
from accounts.principal import principal_of


class HasScope(BasePermission):
    """Reading needs `read` and everything else `write`, unless the view's `required_scopes` says otherwise.

    Its names are actions of a viewset (`{"rotate": "admin"}`), methods (`{"GET": "read"}`) or `"*"`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, User):
            return False
        scope = required_scope(request, view)
        if not covers(principal_of(request).scopes, scope):
            raise PermissionDenied(f"This needs the scope {scope}.", code="insufficient_scope")
        return True


def covers(scopes: Collection[str], scope: str) -> bool:
    return scope in scopes or (scope == Scope.SUBMIT and Scope.WRITE in scopes)


class IsPersonOrHasScope(HasScope):
    """For what people may do with what is theirs, and a key only if it has the scope."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_person = isinstance(request.user, User) and principal_of(request).is_session
        return is_person or super().has_permission(request, view)


def required_scope(request: Request, view: Any) -> Scope:
    method = "GET" if request.method == "HEAD" else request.method
    declared: dict[str, str] = getattr(view, "required_scopes", {})
    default = Scope.READ if method in SAFE_METHODS else Scope.WRITE
    for name in (getattr(view, "action", None), method, "*"):
        if name in declared:
            return Scope(declared[name])
    return default
