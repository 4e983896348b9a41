"""Batches for operators: to look at, and to steer by the same verbs as everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from downloads import batches
from downloads.admin_lists import NEWEST, ReadOnlyAdmin, ReadOnlyInline, id_of, user_named
from downloads.models import Batch, BatchEvent, Downloaded, Tally, TransitionError
from downloads.web.tags import moment, percent

NAME_SHOWN = 60


class BatchEventInline(ReadOnlyInline):
    model = BatchEvent
    fields = ("created_at", "kind", "data")
    readonly_fields = fields
    ordering = ("id",)


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "status", "owner", "created", "error_code")
    list_filter = ("status", "kind")
    indexed_parameters = frozenset({"owner"})
    sortable_by = ("created",)
    list_select_related = ("owner",)
    search_fields = ("title", "url", "=error_code")
    search_help_text = f"A whole id or user's name; or, {NEWEST}, part of a title or a link, a whole error code."
    inlines = (BatchEventInline,)
    actions = ("cancel", "retry")
    fieldsets = (
        (None, {"fields": ("id", "kind", "title", "url", "owner", "api_key", "status", "progress", "jobs")}),
        ("Limits", {"fields": ("concurrent_limit", "stop_on_error", "ignore_errors", "priority", "start_after")}),
        ("The list", {"fields": ("selection", "expanded", "skipped", "error_code", "error_message")}),
        ("Times", {"fields": ("created_at", "finished_at", "updated_at")}),
        ("Request", {"fields": ("options", "tags", "client_reference")}),
    )

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        if batch_id := id_of(term):
            return rows.filter(pk=batch_id)
        owner = user_named(term)
        return rows.filter(owner=owner) if owner else None

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Looking is one thing, acting another: `downloads.change_batch`."""
        return request.user.has_perm("downloads.change_batch")

    @admin.display(description="batch")
    def name(self, batch: Batch) -> str:
        return (batch.title or batch.url or str(batch.pk))[:NAME_SHOWN]

    @admin.display(description="created", ordering="id")
    def created(self, batch: Batch) -> str:
        return moment(batch.created_at)

    @admin.display(description="progress")
    def progress(self, batch: Batch) -> str:
        tally = Tally.of([batch])[batch.pk]
        return f"{tally.finished}/{tally.total}, {percent(tally.percent_of(batch))}"

    @admin.display(description="jobs")
    def jobs(self, batch: Batch) -> str:
        address = f"{reverse('admin:downloads_job_changelist')}?batch__id__exact={batch.pk}"
        return format_html('<a href="{}">Its jobs</a>', address)

    @admin.action(description="Cancel all that has not finished", permissions=["steer"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Batch]) -> None:
        self._each(request, rows, "Cancelled", batches.cancel)

    @admin.action(description="Try the failed again", permissions=["steer"])
    def retry(self, request: HttpRequest, rows: QuerySet[Batch]) -> None:
        self._each(request, rows, "Queued again", batches.retry)

    def _each(self, request: HttpRequest, rows: QuerySet[Batch], done: str, perform: Callable[[Batch], int]) -> None:
        count = refused = 0
        for batch in rows:
            try:
                count += perform(batch)
                self.log_change(request, batch, f"{done}.")
            except TransitionError:
                refused += 1
        self.message_user(request, f"{done}: {count} jobs.", messages.SUCCESS)
        if refused:
            self.message_user(request, f"Refused, because of their state: {refused}.", messages.WARNING)


@admin.register(Downloaded)
class DownloadedAdmin(ReadOnlyAdmin):
    list_display = ("extractor", "media_id", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("=media_id", "=extractor")
    search_help_text = f"A whole user's name; or, {NEWEST}, the whole id of a video at its site, or a whole extractor."

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        owner = user_named(term)
        return rows.filter(owner=owner) if owner else None
