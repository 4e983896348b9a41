"""Who may do what, and how much: users, their sessions, API keys and one-time links, the buckets that limit their
rates, what was used of a day, and what their requests with an Idempotency-Key were answered.
"""

from __future__ import annotations

from accounts.models.bucket import RateBucket
from accounts.models.idempotency import IdempotentAnswer
from accounts.models.key import ApiKey, KeyUnusableError, Scope
from accounts.models.link import SignInLink
from accounts.models.session import Session
from accounts.models.usage import DayUsage
from accounts.models.user import CannotCloseError, User

__all__ = [
    "ApiKey",
    "CannotCloseError",
    "DayUsage",
    "IdempotentAnswer",
    "KeyUnusableError",
    "RateBucket",
    "Scope",
    "Session",
    "SignInLink",
    "User",
]
