"""What operators have done in the admin: who, when, to what. Read, and never changed."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from downloads.admin_lists import NEWEST, ReadOnlyAdmin, anchor


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    list_display = ("action_time", "user", "what", "content_type", "of_object", "object_id")
    list_display_links = ("action_time",)
    list_filter = ("action_flag", "content_type")
    list_select_related = ("user", "content_type")
    indexed_parameters = frozenset({"user", "content_type"})
    search_fields = ("user__username", "=object_id", "object_repr", "change_message")
    search_help_text = f"{NEWEST.capitalize()}: a whole id; part of a user's or row's name, or of what was done."

    @admin.display(description="what was done")
    def what(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()

    @admin.display(description="to")
    def of_object(self, entry: LogEntry) -> str:
        address = None if entry.is_deletion() else entry.get_admin_url()
        return anchor(address, entry.object_repr) if address else entry.object_repr
