"""The queue: what runs, what waits and why, the machines that work on it, and what is paused."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.principal import principal_of
from accounts.record import note
from downloads import bell, diagnosis
from downloads.console import history
from downloads.console.pages import for_staff, render
from downloads.engine.hostnames import HostError, normal_host
from downloads.models import Hold, HoldKind, Job, Node, Priority, Probe
from downloads.models.hold import node_of
from downloads.models.job import LEASE
from downloads.waiting import Waiting

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

SHOWN_JOBS = 50
SHOWN_RUNNING = 200
SHOWN_LANES = 100
COUNTED = 10_000
# Columns that may be long, and that no row of these tables shows.
UNSEEN = ("metadata", "options", "tags")
LANES = {bell.DOWNLOAD: _("download"), bell.PROBE: _("probe")}


@require_GET
@for_staff("downloads.view_job")
def queue(request: HttpRequest) -> HttpResponse:
    nodes, holds = list(Node.objects.workers().order_by("name")), list(Hold.objects.with_names())
    alive = set(Node.objects.alive().values_list("pk", flat=True))
    waiting = Waiting([node for node in nodes if node.pk in alive])
    running = list(Job.objects.running().select_related("owner").defer(*UNSEEN).order_by("started_at"))
    lanes = _lanes(waiting)
    owner, span = _chosen_owner(request), history.span_named(request.GET.get("span", ""))
    return render(
        request,
        "queue",
        gettext("Queue"),
        holds=[hold for hold in holds if hold.kind != HoldKind.QUEUE],
        whole=next((hold for hold in holds if hold.kind == HoldKind.QUEUE), None),
        running=[Running.of(job, waiting.now) for job in running[:SHOWN_RUNNING]],
        running_count=len(running),
        slots=waiting.slots,
        queued_count=sum(lane.count for lane in lanes),
        paused_count=Job.objects.paused().order_by("-id")[:COUNTED].count(),
        longest=Job.objects.longest_wait_seconds(),
        spans=history.SPANS,
        span=span,
        charts=history.charts(span),
        lanes=[*lanes[:SHOWN_LANES], *_probe_lanes(waiting)],
        hidden_lanes=max(0, len(lanes) - SHOWN_LANES),
        waiting=[(job, waiting.reason(job)) for job in _next_jobs(owner)],
        owner=owner,
        machines=[Machine.of(node, running, alive=alive, holds=holds) for node in nodes],
        hold_form=HoldForm(),
        may_hold=request.user.has_perm("downloads.change_hold"),
    )


def _chosen_owner(request: HttpRequest) -> User | None:
    try:
        return User.objects.filter(pk=uuid.UUID(request.GET.get("owner", ""))).first()
    except ValueError:
        return None


def _next_jobs(owner: User | None) -> list[Job]:
    jobs = Job.objects.queued().select_related("owner", "batch", "api_key").defer(*UNSEEN)
    return list((jobs.owned_by(owner) if owner else jobs).as_claimed()[:SHOWN_JOBS])


# --- The rows of its tables -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """`renewed_seconds`: since its worker last wrote; one that has lapsed is taken from it by the next sweep."""

    job: Job
    node: str
    process: str
    renewed_seconds: int
    has_lapsed: bool

    @classmethod
    def of(cls, job: Job, now: datetime) -> Running:
        until = job.lease_expires_at or now
        return cls(
            job=job,
            node=node_of(job.worker),
            process=job.worker.rsplit("/", 2)[-2] if job.worker.count("/") > 1 else "",
            renewed_seconds=max(0, round((now - until + LEASE).total_seconds())),
            has_lapsed=until < now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What of one owner and one priority waits in a lane. `reason`: empty when it is not the same for all of them."""

    lane: StrPromise
    is_download: bool
    owner_id: uuid.UUID
    owner: str
    priority: str
    count: int
    due: int
    since: datetime
    is_held: bool
    reason: str


def _lanes(waiting: Waiting) -> list[Lane]:
    lines = Job.objects.queued_by_owner()
    owners = User.objects.in_bulk({line.owner_id for line in lines})
    lines = [line for line in lines if line.owner_id in owners]  # who has gone since
    lines.sort(key=lambda line: (-line.priority, owners[line.owner_id].username))
    return [
        Lane(
            lane=LANES[bell.DOWNLOAD],
            is_download=True,
            owner_id=line.owner_id,
            owner=owners[line.owner_id].username,
            priority=str(Priority(line.priority).label),
            count=line.waiting,
            due=line.due,
            since=line.since,
            is_held=line.owner_id in waiting.held.owners,
            reason=waiting.reason_of_all(owners[line.owner_id], line.due),
        )
        for line in lines
    ]


def _probe_lanes(waiting: Waiting) -> list[Lane]:
    """No hold but that of a machine stops a look at a page."""
    return [
        Lane(
            lane=LANES[bell.PROBE],
            is_download=False,
            owner_id=row["owner_id"],
            owner=row["owner__username"],
            priority="",
            count=row["count"],
            due=row["count"],
            since=row["since"],
            is_held=False,
            reason=waiting.reason_of_probes(),
        )
        for row in Probe.objects.queued_by_owner()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    node: Node
    running: int
    silent_seconds: int
    is_alive: bool
    hold: Hold | None
    troubles: list[str]

    @classmethod
    def of(cls, node: Node, running: list[Job], *, alive: set[str], holds: list[Hold]) -> Machine:
        return cls(
            node=node,
            running=sum(node_of(job.worker) == node.name for job in running),
            silent_seconds=max(0, round((timezone.now() - node.seen_at).total_seconds())),
            is_alive=node.pk in alive,
            hold=next((hold for hold in holds if hold.kind == HoldKind.NODE and hold.subject == node.name), None),
            troubles=[f"{part['name']}: {part['message']}" for part in diagnosis.troubles_of(node)],
        )

    @property
    def state(self) -> str:
        if not self.is_alive:
            return gettext("silent")
        if self.hold is None:
            return gettext("working")
        return gettext("draining") if self.running else gettext("drained: may be stopped")


# --- Pause and resume -------------------------------------------------------------------------------------------


class HoldForm(forms.Form):
    """`subject`: the name of a user, a host, or the name of a machine; of the queue nothing."""

    kind = forms.ChoiceField(choices=HoldKind.choices, initial=HoldKind.HOST, label=_("What"))
    subject = forms.CharField(max_length=255, required=False, label=_("Name"))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        subject = cleaned.get("subject", "")
        match cleaned.get("kind"):
            case HoldKind.QUEUE:
                subject = ""
            case HoldKind.OWNER:
                subject = _owner_id(subject)
            case HoldKind.HOST:
                subject = _host(subject)
            case HoldKind.NODE if not Node.objects.workers().filter(pk=subject).exists():
                raise ValidationError(gettext("There is no machine of that name."))
        return cleaned | {"subject": subject}


class ResumeForm(forms.Form):
    hold = forms.ModelChoiceField(Hold.objects.with_names())


def _owner_id(name: str) -> str:
    owner = User.objects.filter(username=name).first()
    if owner is None:
        raise ValidationError(gettext("There is no user of that name."))
    return str(owner.pk)


def _host(text: str) -> str:
    try:
        return normal_host(text)
    except HostError as error:
        raise ValidationError(gettext("A host is a name such as video.example, without a scheme or a path.")) from error


@require_POST
@for_staff("downloads.change_hold")
def pause(request: HttpRequest) -> HttpResponse:
    form = HoldForm(request.POST)
    if not form.is_valid():
        return _refuse(request, form)
    kind, subject, user = form.cleaned_data["kind"], form.cleaned_data["subject"], principal_of(request).user
    if Hold.objects.place(kind, subject, by=user):
        hold = Hold.objects.of(kind, subject).get()
        note(user, [hold], "Paused.")
        said = gettext("Paused: {what}. What runs already goes on.").format(what=hold)
        messages.success(request, said)
    else:
        messages.warning(request, gettext("It was paused already."))
    return redirect("console_queue")


@require_POST
@for_staff("downloads.change_hold")
def resume(request: HttpRequest) -> HttpResponse:
    form = ResumeForm(request.POST)
    hold = form.cleaned_data["hold"] if form.is_valid() else None
    if hold is not None and Hold.objects.lift(hold.kind, hold.subject):
        note(principal_of(request).user, [hold], "Resumed.")
        messages.success(request, gettext("Resumed: {what}.").format(what=hold))
    else:
        messages.warning(request, gettext("It was resumed already."))
    return redirect("console_queue")


def _refuse(request: HttpRequest, form: HoldForm) -> HttpResponse:
    for errors in form.errors.values():
        for error in errors:
            messages.error(request, str(error))
    return redirect("console_queue")
