"""Jobs for operators: to look at, and to steer by the same verbs as everywhere else.

No field can be edited here: a row that is written past its verbs belongs to nobody's story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure, OrmQ, Schedule, Success

from downloads import retention
from downloads.admin_lists import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    among_newest,
    id_of,
    list_anchor,
    short_name,
    tell,
    user_named,
)
from downloads.engine.errors import ERRORS
from downloads.models import Job, JobEvent, MediaFile, Status, TransitionError
from downloads.models.jobs import JobQuerySet
from downloads.waiting import Waiting
from downloads.web.tags import moment, percent, size, speed
from downloads.web.words import main_file

admin.site.site_header = _("mediadl admin")
admin.site.site_title = _("mediadl admin")
admin.site.index_title = _("What this server has")
# Tables are wide, and a page that names all of them is one step away.
admin.site.enable_nav_sidebar = False

# A schedule names any function to be called with any arguments: whoever could make one could run code.
for django_q_model in (Schedule, Success, Failure, OrmQ):
    if admin.site.is_registered(django_q_model):
        admin.site.unregister(django_q_model)


class FileInline(ReadOnlyInline):
    model = MediaFile
    fields = ("filename", "kind", "is_main", "readable_size", "mime_type", "deleted_at")
    readonly_fields = fields

    @admin.display(description=_("size"))
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
    list_filter = ("status", "is_kept")
    indexed_parameters = frozenset({"status", "is_kept", "owner", "batch", "api_key"})
    sortable_by = ("created",)
    list_select_related = ("owner",)
    search_fields = ("title", "url", "host")
    search_help_text = among_newest(
        _(
            "A whole id, error code, user's name or link; or, among the newest {newest}, part of a title, a link or a"
            " host."
        )
    )
    inlines = (FileInline, EventInline)
    actions = ("cancel", "pause", "resume", "retry", "keep", "delete_files", "delete_with_files")
    fieldsets = (
        (None, {"fields": ("id", "title", "link", "owner", "api_key", "batch", "status", "stage", "waits")}),
        (_("Elsewhere"), {"fields": ("log", "events", "deliveries", "all_of_owner")}),
        (_("Progress"), {"fields": ("progress", "arrived", "rate", "eta", "format", "duration")}),
        (
            _("Attempts"),
            {"fields": ("attempt", "failures", "crashes", "losses", "snoozes", "error_code", "error_message")},
        ),
        (_("Lease"), {"fields": ("worker", "lease_expires_at", "eligible_at")}),
        (_("Times"), {"fields": ("created_at", "started_at", "finished_at", "updated_at")}),
        (_("Its files"), {"fields": ("expires_at", "is_kept", "discarded_at")}),
        (_("Request"), {"fields": ("options", "tags", "client_reference", "metadata", "ytdlp_version")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.prefetch_related(Prefetch("files", MediaFile.objects.stored()))

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        jobs: JobQuerySet = rows  # type: ignore[assignment]  # of their manager
        if job_id := id_of(term):
            return jobs.filter(pk=job_id)
        if term in ERRORS:
            return jobs.with_error(term)
        if owner := user_named(term):
            return jobs.belonging_to(owner)
        same = jobs.for_url(term)
        return same if same.exists() else None

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Looking is one thing, acting another: `downloads.change_job`."""
        return request.user.has_perm("downloads.change_job")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("downloads.delete_job")

    # --- What is shown ------------------------------------------------------------------------------------------

    @admin.display(description=_("job"))
    def name(self, job: Job) -> str:
        return short_name(job)

    @admin.display(description=_("progress"))
    def progress(self, job: Job) -> str:
        return percent(job.progress_percent)

    @admin.display(description=_("created"), ordering="id")
    def created(self, job: Job) -> str:
        return moment(job.created_at)

    @admin.display(description=_("size"))
    def size(self, job: Job) -> str:
        main = main_file(job)
        return size(main.size_bytes) if main else ""

    @admin.display(description=_("arrived"))
    def arrived(self, job: Job) -> str:
        arrived = size(job.downloaded_bytes)
        if not job.total_bytes:
            return arrived
        return gettext("{part} of {whole}").format(part=arrived, whole=size(job.total_bytes))

    @admin.display(description=_("speed"))
    def rate(self, job: Job) -> str:
        return speed(job.speed) or "-"

    @admin.display(description=_("url"))
    def link(self, job: Job) -> str:
        return format_html('<a href="{0}" rel="noopener noreferrer nofollow" target="_blank">{0}</a>', job.url)

    @admin.display(description=_("why it waits"))
    def waits(self, job: Job) -> str:
        return Waiting().reason(job) if job.status == Status.QUEUED else "-"

    @admin.display(description=_("log"))
    def log(self, job: Job) -> str:
        return list_anchor("downloads_joblog", f"job__id__exact={job.pk}", gettext("Lines of its log"))

    @admin.display(description=_("events"))
    def events(self, job: Job) -> str:
        return list_anchor("downloads_jobevent", f"job__id__exact={job.pk}", gettext("What happened to it"))

    @admin.display(description=_("webhooks"))
    def deliveries(self, job: Job) -> str:
        return list_anchor("webhooks_delivery", f"request_id__exact={job.pk}", gettext("Messages that tell of it"))

    @admin.display(description=_("user"))
    def all_of_owner(self, job: Job) -> str:
        text = gettext("All jobs of {user}").format(user=job.owner)
        return list_anchor("downloads_job", f"owner__id__exact={job.owner_id}", text)

    # --- What can be done ---------------------------------------------------------------------------------------

    @admin.action(description=_("Cancel"), permissions=["steer"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, gettext_noop("Cancelled"), Job.cancel)

    @admin.action(description=_("Pause"), permissions=["steer"])
    def pause(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, gettext_noop("Paused"), Job.pause)

    @admin.action(description=_("Resume"), permissions=["steer"])
    def resume(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, gettext_noop("Resumed"), Job.resume)

    @admin.action(description=_("Try again"), permissions=["steer"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, gettext_noop("Queued again"), Job.retry)

    @admin.action(description=_("Keep the files"), permissions=["steer"])
    def keep(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, gettext_noop("Kept"), Job.keep)

    @admin.action(description=_("Delete the files now, keep the record"), permissions=["steer"])
    def delete_files(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, gettext_noop("Files deleted"), lambda job: retention.delete_files(job, "deleted"))

    @admin.action(description=_("Delete finished jobs with their files"), permissions=["remove"])
    def delete_with_files(self, request: HttpRequest, jobs: QuerySet[Job]) -> None:
        self._each(request, jobs, gettext_noop("Deleted"), lambda job: retention.delete_jobs([job]) > 0)

    def _each(self, request: HttpRequest, jobs: Iterable[Job], done: str, perform: Callable[[Job], object]) -> None:
        """`perform` says no with TransitionError or False; what was done goes into the admin's own log."""
        accepted = refused = 0
        for job in jobs:
            if _accepts(perform, job):
                self.log_change(request, job, f"{done}.")
                accepted += 1
            else:
                refused += 1
        tell(self, request, done, accepted, refused)


def _accepts(perform: Callable[[Job], object], job: Job) -> bool:
    try:
        return perform(job) is not False
    except TransitionError:
        return False


from downloads import admin_log, batch_admin, job_parts_admin  # noqa: E402, F401 - register what belongs to these
