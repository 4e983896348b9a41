"""What operators have done in the admin: who, when, to what. Read, and never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from downloads.admin_lists import ReadOnlyAdmin, among_newest, anchor

# What pages note that are no lists; these note what their actions say.
NOTED = (
    gettext_noop("Invited"),
    gettext_noop("Made a one-time link to sign in"),
    gettext_noop("Files evicted"),
    gettext_noop("Asked for the newest yt-dlp"),
)


class KindFilter(admin.SimpleListFilter):
    """Of what the admin has; Django's own filter offers every table."""

    title = _("kind")
    parameter_name = "content_type"

    def lookups(self, _request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        models = model_admin.admin_site._registry  # noqa: SLF001 - public in all but its name
        found = ContentType.objects.get_for_models(*models)
        names = [(str(kind.pk), str(model._meta.verbose_name)) for model, kind in found.items()]  # noqa: SLF001 - likewise
        return sorted(names, key=lambda pair: pair[1].casefold())

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(content_type=value) if value in dict(self.lookup_choices) else queryset.none()


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    list_display = ("action_time", "user", "what", "content_type", "of_object", "object_id")
    list_display_links = ("action_time",)
    list_filter = ("action_flag", KindFilter)
    list_select_related = ("user", "content_type")
    indexed_parameters = frozenset({"user", "content_type"})
    search_fields = ("user__username", "=object_id", "object_repr", "change_message")
    search_help_text = among_newest(
        _("Among the newest {newest}: a whole id; part of a user's or row's name, or of what was done.")
    )

    @admin.display(description=_("what was done"))
    def what(self, entry: LogEntry) -> str:
        said = entry.get_change_message()
        if said.endswith("."):  # our own, which are kept as the source has them
            return f"{gettext(said[:-1])}."
        return said or entry.get_action_flag_display()

    @admin.display(description=_("to"))
    def of_object(self, entry: LogEntry) -> str:
        address = None if entry.is_deletion() else entry.get_admin_url()
        return anchor(address, entry.object_repr) if address else entry.object_repr
