"""Django's session engine (SESSION_ENGINE) on our own table, which a person can see and end sessions of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.http import HttpRequest
from django.utils import timezone

from accounts.bookkeeping import dispensable
from accounts.browsers import name_of

# A write for each page would be one too many.
SEEN_EVERY = timedelta(minutes=10)
BROWSER, SINCE = "browser", "since"


def remember_browser(request: HttpRequest, **_: Any) -> None:
    """A receiver of `user_logged_in`."""
    request.session[BROWSER] = name_of(request.headers.get("User-Agent", ""))
    request.session[SINCE] = timezone.now().isoformat()


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> Any:
        from accounts.models import Session  # noqa: PLC0415 - engines are imported before the models are ready

        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        """A row is written anew with every change of its session."""
        row: Any = super().create_model_instance(data)
        row.user_id, row.browser = data.get(SESSION_KEY), data.get(BROWSER, "")
        if SINCE in data:
            row.signed_in_at = datetime.fromisoformat(data[SINCE])
        return row

    def _get_session_from_db(self) -> Any:
        row = super()._get_session_from_db()  # type: ignore[misc]  # left out of its types
        if row is not None and timezone.now() - row.last_seen_at > SEEN_EVERY:
            with dispensable():
                self.get_model_class().objects.filter(pk=row.pk).update(last_seen_at=timezone.now())
        return row
