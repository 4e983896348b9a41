"""Who may do what: users, their API keys, one-time sign-in links, and the buckets that limit their rates."""

from __future__ import annotations

from accounts.models.bucket import RateBucket
from accounts.models.key import ApiKey, KeyUnusableError, Scope
from accounts.models.link import SignInLink
from accounts.models.user import User

__all__ = ["ApiKey", "KeyUnusableError", "RateBucket", "Scope", "SignInLink", "User"]
