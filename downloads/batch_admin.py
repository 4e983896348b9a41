"""Batches for operators: to look at, and to steer by the same verbs as everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop, ngettext
from django.utils.translation import gettext_lazy as _

from downloads import batches
from downloads.admin_lists import OfOwnerAdmin, ReadOnlyInline, among_newest, anchor, tell
from downloads.models import Batch, BatchEvent, Downloaded, Tally, TransitionError
from downloads.models.batch import BatchQuerySet
from downloads.web.tags import moment, percent

NAME_SHOWN = 60


class BatchEventInline(ReadOnlyInline):
    model = BatchEvent
    fields = ("created_at", "kind", "data")
    readonly_fields = fields
    ordering = ("id",)


@admin.register(Batch)
class BatchAdmin(OfOwnerAdmin):
    list_display = ("name", "kind", "status", "owner", "created", "error_code")
    list_filter = ("status", "kind")
    sortable_by = ("created",)
    search_fields = ("title", "url", "=error_code")
    search_help_text = among_newest(
        _(
            "A whole id, user's name or link; or, among the newest {newest}, part of a title or a link, a whole error"
            " code."
        )
    )
    inlines = (BatchEventInline,)
    actions = ("cancel", "retry")
    fieldsets = (
        (None, {"fields": ("id", "kind", "title", "url", "owner", "api_key", "status", "progress", "jobs")}),
        (_("Limits"), {"fields": ("concurrent_limit", "stop_on_error", "ignore_errors", "priority", "start_after")}),
        (_("The list"), {"fields": ("selection", "expanded", "skipped", "error_code", "error_message")}),
        (_("Times"), {"fields": ("created_at", "finished_at", "updated_at")}),
        (_("Request"), {"fields": ("options", "tags", "client_reference")}),
    )

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        lists: BatchQuerySet = rows  # type: ignore[assignment]  # of their manager
        found = super().exactly(lists, term)
        if found is not None:
            return found
        same = lists.for_url(term)
        return same if same.exists() else None

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Looking is one thing, acting another: `downloads.change_batch`."""
        return request.user.has_perm("downloads.change_batch")

    @admin.display(description=_("batch"))
    def name(self, batch: Batch) -> str:
        return (batch.title or batch.url or str(batch.pk))[:NAME_SHOWN]

    @admin.display(description=_("created"), ordering="id")
    def created(self, batch: Batch) -> str:
        return moment(batch.created_at)

    @admin.display(description=_("progress"))
    def progress(self, batch: Batch) -> str:
        tally = Tally.of([batch])[batch.pk]
        return f"{tally.finished}/{tally.total}, {percent(tally.percent_of(batch))}"

    @admin.display(description=_("jobs"))
    def jobs(self, batch: Batch) -> str:
        address = f"{reverse('admin:downloads_job_changelist')}?batch__id__exact={batch.pk}"
        return anchor(address, gettext("Its jobs"))

    @admin.action(description=_("Cancel all that has not finished"), permissions=["steer"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Batch]) -> None:
        self._each(request, rows, gettext_noop("Cancelled"), batches.cancel)

    @admin.action(description=_("Try the failed again"), permissions=["steer"])
    def retry(self, request: HttpRequest, rows: QuerySet[Batch]) -> None:
        self._each(request, rows, gettext_noop("Queued again"), batches.retry)

    def _each(self, request: HttpRequest, rows: QuerySet[Batch], done: str, perform: Callable[[Batch], int]) -> None:
        """`perform` says how many jobs it moved."""
        jobs = refused = 0
        is_done = False
        for batch in rows:
            try:
                jobs += perform(batch)
            except TransitionError:
                refused += 1
            else:
                self.log_change(request, batch, f"{done}.")
                is_done = True
        if is_done:
            said = ngettext("{done}: {count} job.", "{done}: {count} jobs.", jobs)
            self.message_user(request, said.format(done=gettext(done), count=jobs), messages.SUCCESS)
        tell(self, request, done, 0, refused)


@admin.register(Downloaded)
class DownloadedAdmin(OfOwnerAdmin):
    list_display = ("extractor", "media_id", "owner", "created_at")
    search_fields = ("=media_id", "=extractor")
    search_help_text = among_newest(
        _(
            "A whole user's name; or, among the newest {newest}, the whole id of a video at its site, or a whole"
            " extractor."
        )
    )
