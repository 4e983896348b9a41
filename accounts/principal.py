"""Who a request acts for, and what it may do: the same for keys, sessions and the open API."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import ApiKey, Scope, User

SESSION_SCOPES = frozenset({Scope.READ, Scope.WRITE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    user: User
    key: ApiKey | None
    scopes: frozenset[Scope]

    @property
    def is_operator(self) -> bool:
        return Scope.ADMIN in self.scopes

    @property
    def scope_list(self) -> list[Scope]:
        return [scope for scope in Scope if scope in self.scopes]

    @property
    def is_session(self) -> bool:
        """A person in a browser, and neither a key nor anybody at all."""
        return self.key is None and not self.user.is_anonymous_principal

    @property
    def subject(self) -> str:
        """Whose rate is limited."""
        return f"user:{self.user.pk}" if self.key is None else f"key:{self.key.pk}"


def principal_of(request: Request | HttpRequest) -> Principal:
    """Only behind authentication: PermissionError when nobody is known."""
    user = request.user
    if not isinstance(user, User):
        raise PermissionError("the request has no principal")
    key = getattr(request, "auth", None)
    return Principal(
        user=user,
        key=key if isinstance(key, ApiKey) else None,
        scopes=scopes_of(user, key if isinstance(key, ApiKey) else None),
    )


def scopes_of(user: User, key: ApiKey | None) -> frozenset[Scope]:
    """A key keeps its admin scope only for as long as its owner is an operator."""
    allowed = SESSION_SCOPES | {Scope.ADMIN} if user.is_staff else SESSION_SCOPES
    return allowed if key is None else (allowed | {Scope.SUBMIT}) & key.scope_set
