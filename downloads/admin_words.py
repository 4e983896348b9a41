"""What models and their fields are called in other languages: the names that Django makes of ours, marked for
translation.

They are put in when all models are there, and are no part of these, so that a word of the admin is no migration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.utils.translation import gettext_lazy, gettext_noop

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

APPS = frozenset({"accounts", "downloads", "webhooks"})


def translate_names() -> None:
    """A word that no catalogue has stays as it is."""
    for model in apps.get_models():
        names = model._meta  # noqa: SLF001 - public in all but its name
        if names.app_label in APPS:
            plural = str(names.verbose_name_plural)
            names.verbose_name = gettext_lazy(str(names.verbose_name))
            names.verbose_name_plural = gettext_lazy(plural)
            for field in names.local_concrete_fields:
                field.verbose_name = _lazy(field.verbose_name)
                field.help_text = _lazy(field.help_text)


def _lazy(words: StrOrPromise) -> StrOrPromise:
    return gettext_lazy(words) if words and isinstance(words, str) else words


MODELS = (
    gettext_noop("user"),
    gettext_noop("users"),
    gettext_noop("API key"),
    gettext_noop("API keys"),
    gettext_noop("job"),
    gettext_noop("jobs"),
    gettext_noop("batch"),
    gettext_noop("batches"),
    gettext_noop("downloaded"),
    gettext_noop("media file"),
    gettext_noop("media files"),
    gettext_noop("link"),
    gettext_noop("links"),
    gettext_noop("job event"),
    gettext_noop("job events"),
    gettext_noop("job log"),
    gettext_noop("job logs"),
    gettext_noop("batch event"),
    gettext_noop("batch events"),
    gettext_noop("cookies"),
    gettext_noop("node"),
    gettext_noop("nodes"),
    gettext_noop("webhook"),
    gettext_noop("webhooks"),
    gettext_noop("delivery"),
    gettext_noop("deliveries"),
)
FIELDS = (
    gettext_noop("user name"),
    gettext_noop("display name"),
    gettext_noop("email"),
    gettext_noop("operator"),
    gettext_noop("active"),
    gettext_noop("joined"),
    gettext_noop("owner"),
    gettext_noop("name"),
    gettext_noop("prefix"),
    gettext_noop("scopes"),
    gettext_noop("is from environment"),
    gettext_noop("max concurrent jobs"),
    gettext_noop("max queued jobs"),
    gettext_noop("max jobs per day"),
    gettext_noop("max bytes per day"),
    gettext_noop("max stored bytes"),
    gettext_noop("rate limit per minute"),
    gettext_noop("created at"),
    gettext_noop("expires at"),
    gettext_noop("rotated at"),
    gettext_noop("revoked at"),
    gettext_noop("last used at"),
    gettext_noop("closed at"),
    gettext_noop("api key"),
    gettext_noop("batch"),
    gettext_noop("playlist index"),
    gettext_noop("url"),
    gettext_noop("playlist item"),
    gettext_noop("host"),
    gettext_noop("options"),
    gettext_noop("priority"),
    gettext_noop("client reference"),
    gettext_noop("tags"),
    gettext_noop("status"),
    gettext_noop("stage"),
    gettext_noop("eligible at"),
    gettext_noop("attempt"),
    gettext_noop("failures"),
    gettext_noop("crashes"),
    gettext_noop("losses"),
    gettext_noop("snoozes"),
    gettext_noop("lease"),
    gettext_noop("lease expires at"),
    gettext_noop("worker"),
    gettext_noop("progress percent"),
    gettext_noop("downloaded bytes"),
    gettext_noop("total bytes"),
    gettext_noop("speed"),
    gettext_noop("eta"),
    gettext_noop("version"),
    gettext_noop("title"),
    gettext_noop("duration"),
    gettext_noop("format"),
    gettext_noop("metadata"),
    gettext_noop("ytdlp version"),
    gettext_noop("error code"),
    gettext_noop("error message"),
    gettext_noop("retention"),
    gettext_noop("is kept"),
    gettext_noop("discarded at"),
    gettext_noop("updated at"),
    gettext_noop("started at"),
    gettext_noop("finished at"),
    gettext_noop("kind"),
    gettext_noop("concurrent limit"),
    gettext_noop("stop on error"),
    gettext_noop("ignore errors"),
    gettext_noop("start after"),
    gettext_noop("selection"),
    gettext_noop("probe"),
    gettext_noop("expanded"),
    gettext_noop("skipped"),
    gettext_noop("is cancelled"),
    gettext_noop("extractor"),
    gettext_noop("media id"),
    gettext_noop("job"),
    gettext_noop("is main"),
    gettext_noop("storage key"),
    gettext_noop("filename"),
    gettext_noop("mime type"),
    gettext_noop("size bytes"),
    gettext_noop("sha256"),
    gettext_noop("crc32"),
    gettext_noop("width"),
    gettext_noop("height"),
    gettext_noop("vcodec"),
    gettext_noop("acodec"),
    gettext_noop("language"),
    gettext_noop("deleted at"),
    gettext_noop("file"),
    gettext_noop("label"),
    gettext_noop("max downloads"),
    gettext_noop("download count"),
    gettext_noop("data"),
    gettext_noop("timestamp"),
    gettext_noop("level"),
    gettext_noop("message"),
    gettext_noop("domains"),
    gettext_noop("cookie count"),
    gettext_noop("last success at"),
    gettext_noop("seen at"),
    gettext_noop("slots"),
    gettext_noop("sandbox"),
    gettext_noop("components"),
    gettext_noop("description"),
    gettext_noop("events"),
    gettext_noop("is for requests"),
    gettext_noop("is enabled"),
    gettext_noop("disabled reason"),
    gettext_noop("previous secret until"),
    gettext_noop("endpoint"),
    gettext_noop("event"),
    gettext_noop("request id"),
    gettext_noop("body"),
    gettext_noop("attempts"),
    gettext_noop("next attempt at"),
    gettext_noop("error"),
    gettext_noop("response status"),
    gettext_noop("response excerpt"),
    gettext_noop("id"),
    gettext_noop("fingerprint"),
)
HELP = (
    gettext_noop("May use the admin site and admin keys."),
    gettext_noop("Without it nobody can sign in as this user, and its keys are refused."),
    gettext_noop("Running at the same time; empty for the server's own limit, 0 for none."),
    gettext_noop("Waiting; empty for the server's own limit, 0 for none."),
    gettext_noop("Submitted in a day; empty for the server's own limit, 0 for none."),
    gettext_noop("Bytes downloaded in a day; empty for the server's own limit, 0 for none."),
    gettext_noop("Bytes of files that are kept; empty for the server's own limit, 0 for none."),
)
