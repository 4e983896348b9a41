"""All that the server keeps of a person, as one JSON document: in the API's shapes, written piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db.models import Model, QuerySet
from django.utils import timezone

from accounts.api.responses import represent_key
from accounts.models import ApiKey, Session, User
from downloads import diagnosis, library
from downloads.api import batch_representation, representation
from downloads.api.cookie_shapes import represent_cookies
from downloads.api.links import represent_link
from downloads.api.representation import written
from downloads.models import Batch, CookieJar, Job, LastChoices, Link, Preset
from webhooks.api.responses import represent_endpoint
from webhooks.models import Endpoint

AT_ONCE = 200


def pieces(user: User) -> Iterator[str]:
    """No piece keeps a cursor open: the next one may be made in another thread. Secrets are in none."""
    now = timezone.now()
    sections: dict[str, Iterable[Any]] = {
        "sessions": map(_session, Session.objects.of_user(user)),
        "keys": (represent_key(key, now) for key in _rows(ApiKey.objects.owned_by(user))),
        "cookies": (represent_cookies(jar, now) for jar in _rows(CookieJar.objects.owned_by(user))),
        "webhooks": (represent_endpoint(endpoint, now) for endpoint in _rows(Endpoint.objects.owned_by(user))),
        "links": (represent_link(link, now) for link in _rows(Link.objects.owned_by(user).select_related("file"))),
        "presets": (
            {"name": preset.name, "options": preset.options} for preset in _rows(Preset.objects.owned_by(user))
        ),
        "last_choices": (choices.options for choices in LastChoices.objects.owned_by(user)),
        "batches": _represented(Batch.objects.owned_by(user), batch_representation.represent_all),
        "downloads": _represented(Job.objects.owned_by(user), _downloads),
    }
    head = {"exported_at": written(now), "mediadl": diagnosis.version(), "account": _account(user)}
    yield json.dumps(head, indent=1).removesuffix("\n}")
    for name, items in sections.items():
        yield f",\n {json.dumps(name)}: ["
        yield from _listed(items)
        yield "]"
    yield "\n}\n"


def _listed(items: Iterable[Any]) -> Iterator[str]:
    separator = "\n  "
    for item in items:
        yield separator + json.dumps(item, default=str)
        separator = ",\n  "


def _represented(rows: QuerySet[Any], represent: Callable[[list[Any]], list[dict[str, Any]]]) -> Iterator[Any]:
    for chunk in _chunks(rows):
        yield from represent(chunk)


def _rows(rows: QuerySet[Any]) -> Iterator[Any]:
    for chunk in _chunks(rows):
        yield from chunk


def _chunks(rows: QuerySet[Any]) -> Iterator[list[Model]]:
    """Oldest first: ids are made in the order of time."""
    rows, last = rows.order_by("pk"), None
    while chunk := list((rows if last is None else rows.filter(pk__gt=last))[:AT_ONCE]):
        yield chunk
        last = chunk[-1].pk


def _downloads(jobs: list[Job]) -> list[dict[str, Any]]:
    files = library.files_of(jobs)
    return [representation.represent(job, files=files[job.pk]) for job in jobs]


def _account(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "name": user.display_name or None,
        "email": user.email or None,
        "is_operator": user.is_staff,
        "joined_at": written(user.date_joined),
        "last_sign_in_at": written(user.last_login),
    }


def _session(session: Session) -> dict[str, Any]:
    return {
        "browser": session.browser or None,
        "signed_in_at": written(session.signed_in_at),
        "last_seen_at": written(session.last_seen_at),
    }


def _preset(preset: Preset) -> dict[str, Any]:
    return {"name": preset.name, "options": preset.options}
