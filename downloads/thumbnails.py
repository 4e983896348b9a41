"""Pictures that other sites have of their media, shown by way of this server: no browser is led to those sites.

An address carries the picture's own and a signature for its owner, so that the server fetches for nobody what it has
not found itself.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from django.core.signing import BadSignature, Signer
from django.urls import reverse

from accounts.models import User
from downloads.files import INERT

# The address changes with the picture.
CACHE_SECONDS = 86_400


def address_of(owner: User, url: str | None) -> str:
    """Empty for what has no picture."""
    if not url:
        return ""
    return f"{reverse('thumbnail')}?{urlencode({'of': url, 'by': _signer(owner).signature(url)})}"


def is_of(owner: User, url: str, signature: str) -> bool:
    try:
        return _signer(owner).unsign(f"{url}:{signature}") == url
    except BadSignature:
        return False


def headers_of(owner: User, url: str) -> dict[str, str]:
    """For the layer that fetches it (mediadl/asgi/pictures.py)."""
    return {
        "X-Accel-Picture": quote(url, safe=""),
        "X-Accel-Owner": str(owner.pk),
        "Content-Disposition": "inline",
        "Content-Security-Policy": INERT,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": f"private, max-age={CACHE_SECONDS}",
        "Vary": "Cookie",
    }


def _signer(owner: User) -> Signer:
    return Signer(salt=f"thumbnail of {owner.pk}")
