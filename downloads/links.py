"""Links to files as they leave the server: signed tokens, addresses, and what a request that carries one is given.

A token is the link's id and its HMAC-SHA256. It is stored nowhere and made anew for whoever may see it; the first of
LINK_KEYS signs and all of them are believed. A forged one is refused before the database is asked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import uuid
from datetime import datetime
from urllib.parse import quote

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.addresses import client_ip
from downloads.api.problem import Problem
from downloads.engine.marking import gettext_noop
from downloads.files import headers_of
from downloads.models import Link, LinkClosedError, LinkState

PREFIX = "/s/"
ID_BYTES = 16
# 48 bytes are 64 characters exactly: none has bits that mean nothing, so no two tokens are the same.
TOKEN_SHAPE = re.compile(r"[A-Za-z0-9_-]{64}")
PURPOSE = b"mediadl link 1\0"
VISITOR_PURPOSE = b"mediadl visitor 1\0"

CLOSED = {
    LinkState.REVOKED: ("link_revoked", gettext_noop("Whoever made this link has taken it back.")),
    LinkState.EXPIRED: ("link_expired", gettext_noop("The time of this link is over.")),
    LinkState.USED_UP: ("link_used_up", gettext_noop("This link has been used as often as it allows.")),
}


# --- Tokens -----------------------------------------------------------------------------------------------------


def token_of(link_id: uuid.UUID) -> str:
    raw = link_id.bytes + _signature(settings.LINK_KEYS[0], PURPOSE + link_id.bytes)
    return base64.urlsafe_b64encode(raw).decode()


def link_id_of(token: str) -> uuid.UUID | None:
    """None for what we have not signed. Takes as long for every token of the right length."""
    if not TOKEN_SHAPE.fullmatch(token):
        return None
    raw = base64.urlsafe_b64decode(token)
    given_id, given = raw[:ID_BYTES], raw[ID_BYTES:]
    matches = [hmac.compare_digest(_signature(key, PURPOSE + given_id), given) for key in settings.LINK_KEYS]
    return uuid.UUID(bytes=given_id) if any(matches) else None


def address_of(link: Link) -> str:
    """The last segment is only for programs that take a file's name from its address."""
    return f"{settings.PUBLIC_BASE_URL}{PREFIX}{token_of(link.pk)}/{quote(link.file.filename, safe='')}"


def _signature(key: str, message: bytes) -> bytes:
    return hmac.digest(key.encode(), message, hashlib.sha256)


# --- Requests ---------------------------------------------------------------------------------------------------


def link_of(token: str) -> Link:
    """Raises Problem."""
    link_id = link_id_of(token)
    link = _links().filter(pk=link_id).first() if link_id else None
    if link is None:
        raise _unknown()
    return link


def _unknown() -> Problem:
    return Problem(404, "not_found", gettext_noop("There is no such link. It may have been copied only in part."))


def _links() -> QuerySet[Link]:
    return Link.objects.filter(file__job__discarded_at__isnull=True).select_related("owner", "file__job")


def admit(link: Link, request: HttpRequest, at: datetime) -> None:
    """Raises Problem unless the request may have the file. HEAD has no bytes and takes no download."""
    if not link.owner.is_active:
        raise _closed(LinkState.REVOKED)
    if link.file.deleted_at is not None:
        raise Problem(410, "file_expired", gettext_noop("The file has been deleted."))
    visitor = visitor_of(link, request)
    try:
        if request.method == "GET":
            link.admit(visitor, at, is_whole="Range" not in request.headers)
        else:
            link.look(visitor, at)
    except LinkClosedError as error:
        raise _closed(error.state) from error
    except Link.DoesNotExist:
        # Its job was deleted meanwhile.
        raise _unknown() from None


def _closed(state: LinkState) -> Problem:
    return Problem(410, *CLOSED[state])


def visitor_of(link: Link, request: HttpRequest) -> str:
    """Who asks, as limits count them: by address, of IPv6 by its /64. It means nothing without LINK_KEYS."""
    address = client_ip(request) or "unknown"
    return _signature(settings.LINK_KEYS[0], VISITOR_PURPOSE + link.pk.bytes + address.encode()).hex()[:32]


def headers_for(link: Link, *, is_inline: bool) -> dict[str, str]:
    """As of every file, but: kept by no cache, told to no other site, and good for a player on any page."""
    return headers_of(link.file, link.owner, is_inline=is_inline) | {
        "X-Accel-Owner": f"link:{link.pk}",
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Robots-Tag": "noindex, nofollow",
    }
