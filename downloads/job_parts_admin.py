"""What belongs to jobs, and the machines, for operators: files, links to them, events, logs, cookies, nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from downloads.admin_lists import (
    OfOwnerAdmin,
    ReadOnlyAdmin,
    among_newest,
    chosen_from,
    id_of,
    job_anchor,
    list_anchor,
    tell,
    user_named,
)
from downloads.engine.errors import ERRORS
from downloads.models import CookieJar, Job, JobEvent, JobLog, Link, MediaFile, Node
from downloads.web.tags import moment, size

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

# Of those that a search for a link, a user or an error code finds, so many are asked for what belongs to them.
JOBS_SEARCHED = 100


def of_newest_jobs(rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
    """Those of the jobs that an index finds by the whole of `term`; None when it is no such term."""
    if term in ERRORS:
        jobs = Job.objects.with_error(term)
    elif owner := user_named(term):
        jobs = Job.objects.belonging_to(owner)
    else:
        jobs = Job.objects.for_url(term)
    found = list(jobs.order_by("-pk").values_list("pk", flat=True)[:JOBS_SEARCHED])
    return rows.filter(job__in=found) if found else None


def what_jobs_have(text: StrPromise) -> StrPromise:
    """What a search is told to find, with JOBS_SEARCHED in it as `jobs`, too."""
    return among_newest(text, jobs=JOBS_SEARCHED)


@admin.register(MediaFile)
class MediaFileAdmin(ReadOnlyAdmin):
    list_display = ("filename", "of_job", "of_owner", "kind", "readable_size", "mime_type", "created_at", "deleted_at")
    list_filter = ("kind", "is_main", ("deleted_at", admin.EmptyFieldListFilter))
    indexed_parameters = frozenset({"job"})
    list_select_related = ("job", "job__owner")
    search_fields = ("filename", "job__title", "sha256__startswith")
    search_help_text = what_jobs_have(
        _(
            "A whole id, of the file or its job; a whole link or user's name, of the newest {jobs} jobs; or, among the"
            " newest {newest}, part of a name or title, the beginning of a checksum."
        )
    )
    readonly_fields = ("shares",)

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        if found := id_of(term):
            return rows.filter(Q(pk=found) | Q(job=found))
        return of_newest_jobs(rows, term)

    @admin.display(description=_("job"))
    def of_job(self, file: MediaFile) -> str:
        return job_anchor(file.job)

    @admin.display(description=_("owner"))
    def of_owner(self, file: MediaFile) -> str:
        return str(file.job.owner)

    @admin.display(description=_("links"))
    def shares(self, file: MediaFile) -> str:
        return list_anchor("downloads_link", f"file__id__exact={file.pk}", gettext("Links to it"))

    @admin.display(description=_("size"))
    def readable_size(self, file: MediaFile) -> str:
        return size(file.size_bytes)


@admin.register(Link)
class LinkAdmin(OfOwnerAdmin):
    """To look and to revoke: their owners alone are shown the addresses."""

    indexed_parameters = frozenset({"owner", "file"})
    list_display = ("id", "state", "label", "owner", "file", "used", "created_at", "expires_at", "last_used_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("owner", "file")
    search_fields = ("label", "file__filename")
    search_help_text = among_newest(
        _("A whole id or user's name; or, among the newest {newest}, part of a label or of a file's name.")
    )
    actions = ("revoke",)

    @admin.display(description=_("state"))
    def state(self, link: Link) -> str:
        return str(link.state(timezone.now()).label)

    @admin.display(description=_("downloads"))
    def used(self, link: Link) -> str:
        if not link.max_downloads:
            return str(link.download_count)
        return gettext("{part} of {whole}").format(part=link.download_count, whole=link.max_downloads)

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, links: QuerySet[Link]) -> None:
        chosen = list(links)
        revoked = [link for link in chosen if link.revoke(timezone.now())]
        done = gettext_noop("Revoked")
        for link in revoked:
            self.log_change(request, link, f"{done}.")
        tell(self, request, done, len(revoked), len(chosen) - len(revoked))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("downloads.change_link")


class OfJobAdmin(ReadOnlyAdmin):
    indexed_parameters = frozenset({"job"})
    list_select_related = ("job",)

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        if found := id_of(term):
            return rows.filter(job=found)
        return of_newest_jobs(rows, term)

    @admin.display(description=_("job"))
    def of_job(self, row: JobEvent | JobLog) -> str:
        return job_anchor(row.job)


@admin.register(JobEvent)
class JobEventAdmin(OfJobAdmin):
    list_display = ("created_at", "kind", "of_job", "attempt", "data")
    search_fields = ("=kind", "=data__error_code")
    search_help_text = what_jobs_have(
        _(
            "The whole id of a job; a whole link or user's name, of the newest {jobs} jobs; or, among the newest"
            " {newest}, a kind or a whole error code."
        )
    )

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        # Some codes are kinds, too.
        return None if term in ERRORS else super().exactly(rows, term)


@admin.register(JobLog)
class JobLogAdmin(OfJobAdmin):
    list_display = ("timestamp", "level", "message", "of_job", "attempt")
    list_filter = (chosen_from("level", _("level"), JobLog.LEVELS),)
    search_fields = ("message",)
    search_help_text = what_jobs_have(
        _(
            "The whole id of a job; a whole link, user's name or error code, of the newest {jobs} jobs; or, among the"
            " newest {newest}, part of a line."
        )
    )


@admin.register(CookieJar)
class CookieJarAdmin(OfOwnerAdmin):
    """Without what they are encrypted as: nobody has a use for that here."""

    list_display = ("name", "owner", "cookie_count", "created_at", "expires_at", "last_used_at", "last_success_at")
    search_fields = ("name",)
    search_help_text = among_newest(_("A whole id or user's name; or, among the newest {newest}, part of a name."))
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

    @admin.display(description=_("alive"), boolean=True)
    def is_alive(self, node: Node) -> bool:
        return node.pk in self.alive

    @admin.display(description=_("seen"))
    def seen(self, node: Node) -> str:
        return moment(node.seen_at)

    @admin.display(description=_("running"))
    def running(self, node: Node) -> int:
        return Job.objects.on_node(node.pk).count()
