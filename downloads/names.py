"""The name that a file is shown and downloaded by: made safe once, here. It never decides where bytes lie."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext

from downloads.engine.marking import gettext_noop

MAX_NAME_BYTES = 200
DEFAULT_TEMPLATE = "videos/{safe_title}-{id}.{ext}"
PLACEHOLDERS = frozenset(
    {"id", "title", "safe_title", "ext", "uploader", "date", "upload_date", "random", "playlist", "playlist_index"}
)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)(?::0?([0-9])d)?\}")
_BRACES = re.compile(r"[{}]")
_FORBIDDEN = re.compile(r'[\\/:*?"<>|]')
_SPACES = re.compile(r"\s+")
_RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com[0-9]|lpt[0-9])$")


def template_error(template: str) -> str | None:
    """Why `template` cannot be used, or None."""
    for name, width in _PLACEHOLDER.findall(template):
        if name not in PLACEHOLDERS:
            return gettext("Unknown placeholder {name}.").format(name=f"{{{name}}}")
        if width and name != "playlist_index":
            return gettext("{name} is not a number.").format(name=f"{{{name}}}")
    if _BRACES.search(_PLACEHOLDER.sub("", template)):
        return gettext_noop("Braces may only enclose a placeholder.")
    if ".." in template.split("/") or template.startswith("/") or "\\" in template or "\0" in template:
        return gettext_noop("A template is a relative path.")
    return None


def display_name(template: str, facts: Mapping[str, Any], extension: str) -> str:
    """The last segment of the filled template, with `extension`, safe on every file system, at most 200 bytes."""
    last = template.rsplit("/", 1)[-1]
    values = {**facts, "safe_title": facts.get("title"), "random": secrets.token_hex(4), "ext": extension}
    filled = _PLACEHOLDER.sub(lambda match: _value(values, match[1], match[2]), last)
    stem = filled.removesuffix(f".{extension}")
    return f"{safe(stem, MAX_NAME_BYTES - len(extension) - 1)}.{extension}"


def safe(text: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """NFC, no control, format or bidi characters, no path separators, never empty, dotted or a device's name."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8", "replace"))
    text = "".join(" " if character in "\t\n\r" else character for character in text if _is_shown(character))
    text = _SPACES.sub(" ", _FORBIDDEN.sub("_", text)).strip(" .")
    text = text.encode()[:max_bytes].decode("utf-8", "ignore").strip(" .")
    return f"_{text}" if not text or _RESERVED.match(text.split(".")[0]) else text


def _is_shown(character: str) -> bool:
    return character in "\t\n\r" or unicodedata.category(character)[0] != "C"


def _value(values: Mapping[str, Any], name: str, width: str) -> str:
    value = values.get(name)
    if value is None:
        return "NA"
    if width:
        return f"{int(value):0{width}d}"
    return str(value)
