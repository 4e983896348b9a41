"""Why a queued job has not started: the conditions of a claim in words, read once for many jobs."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from accounts.models import User
from accounts.quotas import limits_of
from downloads.claims import Load
from downloads.engine.errors import kind_of
from downloads.models import Held, Job, Node

NEXT = gettext_noop("Starts in a moment.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Of the machines that are alive and not held."""

    nodes: int
    open_nodes: int
    total: int
    busy: int

    @classmethod
    def of(cls, nodes: list[Node], held: Held) -> Slots:
        open_nodes = [node for node in nodes if node.name not in held.nodes]
        busy = sum(Job.objects.on_node(node.name).count() for node in open_nodes)
        total = sum(node.slots for node in open_nodes)
        return cls(nodes=len(nodes), open_nodes=len(open_nodes), total=total, busy=busy)

    def shortage(self) -> str:
        """Empty when a job could start."""
        if not self.nodes:
            return gettext("No worker has been heard of.")
        if not self.open_nodes:
            return gettext("All machines are drained.")
        if self.busy >= self.total:
            return gettext("All {count} slots are busy.").format(count=self.total)
        return ""


class Waiting:
    def __init__(self, nodes: list[Node] | None = None) -> None:
        self.now = timezone.now()
        self.held = Held.now()
        self.load = load = Load.now()
        self.full_hosts = set(load.full_hosts())
        self.full_batches, self.full_keys = set(load.full(load.batches)), set(load.full(load.keys))
        self.slots = Slots.of(list(Node.objects.workers().alive()) if nodes is None else nodes, self.held)

    def reason(self, job: Job) -> str:
        """In the order in which an operator would ask. `job` is queued; its owner, batch and key are looked at."""
        return self._held(job) or self._not_due(job) or self._at_a_limit(job) or self.slots.shortage() or gettext(NEXT)

    def reason_of_all(self, owner: User, due: int) -> str:
        """What all that an owner has waiting waits for, `due` of which could start; empty when each has its own."""
        if self.held.is_queue:
            return gettext("The queue is paused.")
        if owner.pk in self.held.owners:
            return gettext("Its user is paused.")
        if not due:
            return gettext("None of them is due.")
        cap = limits_of(owner).concurrent_jobs
        if cap and self.load.owners[owner.pk] >= cap:
            return _of_users_limit(cap)
        return self.slots.shortage()

    def reason_of_probes(self) -> str:
        """Looks at pages have workers of their own on each machine, and nothing but the machine holds them."""
        if self.slots.open_nodes:
            return gettext("As soon as a worker of its lane is free.")
        return self.slots.shortage()

    def _held(self, job: Job) -> str:
        if self.held.is_queue:
            return gettext("The queue is paused.")
        if job.owner_id in self.held.owners:
            return gettext("Its user is paused.")
        if job.host in self.held.hosts:
            return gettext("Its host is paused.")
        if job.batch_id in self.held.batches:
            return gettext("Its batch is being stopped.")
        return ""

    def _not_due(self, job: Job) -> str:
        if job.eligible_at <= self.now:
            return ""
        at = f"{job.eligible_at:%Y-%m-%d %H:%M:%S} UTC"
        kind = kind_of(job.error_code)
        if kind and job.is_waiting_for_retry:
            return gettext("Tries again at {moment} ({why}).").format(moment=at, why=gettext(kind.title))
        return gettext("Asked to start at {moment}.").format(moment=at)

    def _at_a_limit(self, job: Job) -> str:
        cap = limits_of(job.owner).concurrent_jobs
        if cap and self.load.owners[job.owner_id] >= cap:
            return _of_users_limit(cap)
        if job.batch_id in self.full_batches:
            return gettext("Its batch's limit: {count} at a time.").format(count=self.load.limits[job.batch_id])
        if job.api_key_id in self.full_keys:
            return gettext("Its key's limit: {count} at a time.").format(count=self.load.limits[job.api_key_id])
        if job.host in self.full_hosts:
            return gettext("The limit of its host: {count} at a time.").format(count=settings.MAX_JOBS_PER_HOST)
        if job.fingerprint in self.load.fingerprints:
            return gettext("It takes the files of a download of the same, which still runs.")
        return ""


def _of_users_limit(cap: int) -> str:
    return gettext("Its user's limit: {count} at a time.").format(count=cap)
