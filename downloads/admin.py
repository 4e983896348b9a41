"""Jobs, files and nodes for operators: to look at, and to steer by the same verbs as everywhere else.

No field can be edited here: a row that is written past its verbs belongs to nobody's story.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django_q.models import Failure, OrmQ, Schedule, Success

from downloads import retention
from downloads.models import CookieJar, Job, JobEvent, JobLog, Link, MediaFile, Node, Status, TransitionError
from downloads.waiting import Waiting
from downloads.web.tags import moment, percent, size, speed
from downloads.web.words import main_file, name_of, shorten

COUNTED_ROWS = 10_000
NAME_SHOWN = 60

admin.site.site_header = "mediadl admin"
admin.site.site_title = "mediadl admin"
admin.site.index_title = "What this server has"

# A schedule names any function to be called with any arguments: whoever could make one could run code.
for django_q_model in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(django_q_model):
        admin.site.unregister(django_q_model)


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # no subscript at run time
    """Counts to COUNTED_ROWS at most: nobody pages further, and a table may have millions of rows."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # change lists have nothing else
        return rows.order_by().values("pk")[:COUNTED_ROWS].count()


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class FileInline(ReadOnlyInline):
    model = MediaFile
    fields = ("filename", "kind", "is_main", "readable_size", "mime_type", "deleted_at")
    readonly_fields = fields

    @admin.display(description="size")
    def readable_size(self, file: MediaFile) -> str:
        return size(file.size_bytes)


class EventInline(ReadOnlyInline):
    model = JobEvent
    fields = ("created_at", "kind", "attempt", "data")
    readonly_fields = fields
    ordering = ("id",)


# --- Jobs -------------------------------------------------------------------------------------------------------


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("name", "status", "progress", "owner", "host", "created", "size", "error_code")
    list_filter = ("status", "stage", "is_kept", "priority")
    list_select_related = ("owner",)
    search_fields = ("title", "url", "host", "owner__username", "=error_code")
    search_help_text = "Part of a title, a link, a host or a user's name; a whole error code; a whole id."
    inlines = (FileInline, EventInline)
    actions = ("cancel", "pause", "resume", "retry", "keep", "delete_files", "delete_with_files")
    fieldsets = (
        (None, {"fields": ("id", "title", "link", "owner", "api_key", "status", "stage", "waits", "priority", "log")}),
        ("Progress", {"fields": ("progress", "arrived", "rate", "eta", "format", "duration")}),
        (
            "Attempts",
            {"fields": ("attempt", "failures", "crashes", "losses", "snoozes", "error_code", "error_message")},
        ),
        ("Lease", {"fields": ("worker", "lease_expires_at", "eligible_at")}),
        ("Times", {"fields": ("created_at", "started_at", "finished_at", "updated_at", "expires_at", "is_kept")}),
        ("Request", {"fields": ("options", "tags", "client_reference", "metadata", "ytdlp_version")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.prefetch_related(Prefetch("files", MediaFile.objects.stored()))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Job], search_term: str
    ) -> tuple[QuerySet[Job], bool]:
        try:
            return queryset.filter(pk=uuid.UUID(search_term.strip())), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Looking is one thing, acting another: `downloads.change_job`."""
        return request.user.has_perm("downloads.change_job")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("downloads.delete_job")

    # --- What is shown ------------------------------------------------------------------------------------------

    @admin.display(description="job", ordering="title")
    def name(self, job: Job) -> str:
        return shorten(name_of(job), NAME_SHOWN)

    @admin.display(description="progress")
    def progress(self, job: Job) -> str:
        return percent(job.progress_percent)

    @admin.display(description="created", ordering="id")
    def created(self, job: Job) -> str:
        return moment(job.created_at)

    @admin.display(description="size")
    def size(self, job: Job) -> str:
        main = main_file(job)
        return size(main.size_bytes) if main else ""

    @admin.display(description="arrived")
    def arrived(self, job: Job) -> str:
        whole = f" of {size(job.total_bytes)}" if job.total_bytes else ""
        return f"{size(job.downloaded_bytes)}{whole}"

    @admin.display(description="speed")
    def rate(self, job: Job) -> str:
        return speed(job.speed) or "-"

    @admin.display(description="url")
    def link(self, job: Job) -> str:
        return format_html('<a href="{0}" rel="noopener noreferrer nofollow" target="_blank">{0}</a>', job.url)

    @admin.display(description="why it waits")
    def waits(self, job: Job) -> str:
        return Waiting().reason(job) if job.status == Status.QUEUED else "-"

    @admin.display(description="log")
    def log(self, job: Job) -> str:
        address = f"{reverse('admin:downloads_joblog_changelist')}?job__id__exact={job.pk}"
        return format_html('<a href="{}">Lines of its log</a>', address)

    # --- What can be done ---------------------------------------------------------------------------------------

    @admin.action(description="Cancel", permissions=["steer"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, "Cancelled", Job.cancel)

    @admin.action(description="Pause", permissions=["steer"])
    def pause(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, "Paused", Job.pause)

    @admin.action(description="Resume", permissions=["steer"])
    def resume(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, "Resumed", Job.resume)

    @admin.action(description="Try again", permissions=["steer"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, "Queued again", Job.retry)

    @admin.action(description="Keep the files", permissions=["steer"])
    def keep(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, "Kept", Job.keep)

    @admin.action(description="Delete the files now, keep the record", permissions=["steer"])
    def delete_files(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, "Files deleted", lambda job: retention.delete_files(job, "deleted"))

    @admin.action(description="Delete finished jobs with their files", permissions=["remove"])
    def delete_with_files(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, "Deleted", lambda job: retention.delete_jobs([job]) > 0)

    def _each(self, request: HttpRequest, jobs: Iterable[Job], done: str, perform: Callable[[Job], object]) -> None:
        """`perform` says no with TransitionError or False; what was done goes into the admin's own log."""
        accepted = refused = 0
        for job in jobs:
            if _accepts(perform, job):
                self.log_change(request, job, f"{done}.")
                accepted += 1
            else:
                refused += 1
        if accepted:
            self.message_user(request, f"{done}: {accepted}.", messages.SUCCESS)
        if refused:
            self.message_user(request, f"Refused, because of their state: {refused}.", messages.WARNING)


def _accepts(perform: Callable[[Job], object], job: Job) -> bool:
    try:
        return perform(job) is not False
    except TransitionError:
        return False


# --- What belongs to jobs, and the machines ---------------------------------------------------------------------


@admin.register(MediaFile)
class MediaFileAdmin(ReadOnlyAdmin):
    list_display = ("filename", "kind", "readable_size", "mime_type", "created_at", "deleted_at")
    list_filter = ("kind", "is_main", ("deleted_at", admin.EmptyFieldListFilter))
    search_fields = ("filename", "sha256__startswith")

    @admin.display(description="size", ordering="size_bytes")
    def readable_size(self, file: MediaFile) -> str:
        return size(file.size_bytes)


@admin.register(Link)
class LinkAdmin(ReadOnlyAdmin):
    """To look and to revoke: their owners alone are shown the addresses."""

    list_display = ("id", "state", "label", "owner", "file", "used", "created_at", "expires_at", "last_used_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("owner", "file")
    search_fields = ("label", "owner__username", "file__filename")
    ordering = ("-id",)
    actions = ("revoke",)

    @admin.display(description="state")
    def state(self, link: Link) -> str:
        return link.state(timezone.now()).label

    @admin.display(description="downloads", ordering="download_count")
    def used(self, link: Link) -> str:
        whole = f" of {link.max_downloads}" if link.max_downloads else ""
        return f"{link.download_count}{whole}"

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, links: QuerySet[Link]) -> None:
        revoked = [link for link in links if link.revoke(timezone.now())]
        for link in revoked:
            self.log_change(request, link, "Revoked.")
        self.message_user(request, f"Revoked: {len(revoked)}.", messages.SUCCESS)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("downloads.change_link")


@admin.register(JobEvent)
class JobEventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "job_id", "attempt", "data")
    list_filter = ("kind",)
    ordering = ("-id",)


@admin.register(JobLog)
class JobLogAdmin(ReadOnlyAdmin):
    list_display = ("timestamp", "level", "message", "attempt")
    list_filter = ("level",)
    ordering = ("-id",)


@admin.register(CookieJar)
class CookieJarAdmin(ReadOnlyAdmin):
    """Without what they are encrypted as: nobody has a use for that here."""

    list_display = ("name", "owner", "cookie_count", "created_at", "expires_at", "last_used_at", "last_success_at")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    fields = ("id", "owner", "name", "domains", "cookie_count", "created_at", "expires_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[CookieJar]:
        jars: QuerySet[CookieJar] = super().get_queryset(request)
        return jars.defer("ciphertext")


@admin.register(Node)
class NodeAdmin(ReadOnlyAdmin):
    list_display = ("name", "is_alive", "seen", "slots", "running", "sandbox", "version", "ytdlp_version")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Node]:
        self.alive = set(Node.objects.alive().values_list("pk", flat=True))
        nodes: QuerySet[Node] = super().get_queryset(request)
        return nodes

    @admin.display(description="alive", boolean=True)
    def is_alive(self, node: Node) -> bool:
        return node.pk in self.alive

    @admin.display(description="seen", ordering="seen_at")
    def seen(self, node: Node) -> str:
        return moment(node.seen_at)

    @admin.display(description="running")
    def running(self, node: Node) -> int:
        return Job.objects.on_node(node.pk).count()


from downloads import batch_admin  # noqa: E402, F401 - registers what is made of the classes above
