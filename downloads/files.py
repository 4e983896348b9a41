"""A published file as it is served: by whom it may be had, under which headers, and what happens when it has been."""

from __future__ import annotations

import re
import unicodedata
import uuid
from datetime import timedelta
from pathlib import PurePosixPath
from urllib.parse import quote

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date

from accounts.models import User
from downloads import mime, storage
from downloads.models import Job, JobEvent, MediaFile

PREFIX = "/_protected/"
MAX_NAME_BYTES = 180
INERT = "sandbox; default-src 'none'; frame-ancestors 'none'"
# A sandboxed document plays no video that is opened by itself. Media that a browser shows by itself carry no script.
SHOWN = "default-src 'none'; media-src 'self'; img-src 'self'; frame-ancestors 'none'"
# Of addresses in a bucket. Chromium goes on seeking at the address that it was once redirected to.
SHOWN_LIFETIME = timedelta(hours=12)
FETCHED_LIFETIME = timedelta(hours=1)
# Of the bytes, which somebody else sends.
OF_THE_BYTES = frozenset({"X-Accel-Redirect", "X-Accel-Owner", "X-Accel-Token", "ETag", "Last-Modified"})
KNOWN_TYPES = frozenset(mime.TYPES.values())

_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|%]')


def response(request: HttpRequest, file: MediaFile, headers: dict[str, str]) -> HttpResponse:
    """The answer with `headers_of(file)`: for the layer that sends the bytes, or the way to the bucket."""
    if not settings.S3_BUCKET:
        return HttpResponse(headers=headers)
    kept = {name: value for name, value in headers.items() if name not in OF_THE_BYTES}
    if request.method == "HEAD":
        # An address in a bucket is signed for one method.
        known = {"Content-Length": str(file.size_bytes), "Accept-Ranges": "bytes", "ETag": file.etag}
        return HttpResponse(headers=kept | known)
    return _redirect(file, kept)


def _redirect(file: MediaFile, headers: dict[str, str]) -> HttpResponse:
    from downloads import bucket_store  # noqa: PLC0415 - loaded where there is a bucket

    mime_type, disposition = headers.pop("Content-Type"), headers.pop("Content-Disposition")
    lifetime = SHOWN_LIFETIME if disposition.startswith("inline") else FETCHED_LIFETIME
    address = bucket_store.configured().address_of(
        file.storage_key, mime_type=mime_type, disposition=disposition, lifetime=lifetime
    )
    if file.job.options.get("delete_after_download"):
        # Nobody says when a bucket has sent it: it goes when the address does.
        Job.objects.filter(pk=file.job_id).expire_within(lifetime)
    return HttpResponse(status=302, headers=headers | {"Location": address, "Cache-Control": "no-store"})


def headers_of(file: MediaFile, owner: User, *, is_inline: bool = False) -> dict[str, str]:
    """For the layer that sends the bytes (mediadl/asgi/files.py, or nginx)."""
    is_shown = is_inline and mime.is_shown_inline(file.mime_type)
    headers = {
        "X-Accel-Redirect": PREFIX + quote(file.storage_key),
        "X-Accel-Owner": str(owner.pk),
        "Content-Type": file.mime_type if file.mime_type in KNOWN_TYPES else mime.OPAQUE,
        "Content-Disposition": disposition(file.filename, is_inline=is_shown),
        "Content-Security-Policy": SHOWN if is_shown else INERT,
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-cache",
        "ETag": file.etag,
        "Last-Modified": http_date(file.created_at.timestamp()),
    }
    if file.job.options.get("delete_after_download"):
        headers["X-Accel-Token"] = str(file.pk)
    return headers


def disposition(filename: str, *, is_inline: bool = False) -> str:
    """Both forms of RFC 6266: a name in ASCII for programs that know no other, and the name itself."""
    name = _plain(filename)
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    kind = "inline" if is_inline else "attachment"
    return f"{kind}; filename=\"{_fallback(folded, name)}\"; filename*=UTF-8''{quote(name, safe='')}"


def _plain(filename: str) -> str:
    """As downloads.names has made it; made safe again, since this goes into a header."""
    shown = (character for character in filename if unicodedata.category(character)[0] != "C")
    name = _NOT_IN_NAMES.sub("_", unicodedata.normalize("NFC", "".join(shown))).strip(" .") or "download"
    suffix = PurePosixPath(name).suffix[:16]
    stem = name.removesuffix(suffix).encode()[: MAX_NAME_BYTES - len(suffix.encode())]
    return stem.decode("utf-8", "ignore") + suffix


def _fallback(folded: str, name: str) -> str:
    """Titles in other scripts leave nothing of themselves in ASCII."""
    suffix = PurePosixPath(name).suffix
    stem = folded.removesuffix(suffix).strip(" .-_")
    return folded if stem else f"download{suffix if suffix.isascii() else ''}"


def sent(token: str) -> None:
    """The layer that sends files calls this when the last byte of one has gone out that came with a token."""
    file = MediaFile.objects.stored().select_related("job").filter(pk=uuid.UUID(token)).first()
    if file is None or not file.job.options.get("delete_after_download"):
        return
    with transaction.atomic():
        if not (Job.objects.lock(file.job_id) and MediaFile.objects.filter(pk=file.pk).mark_deleted()):
            return
        Job.objects.filter(pk=file.job_id).touch()
        JobEvent.objects.append(file.job, "fetched")
        transaction.on_commit(lambda: storage.remove([file.storage_key]), robust=True)
