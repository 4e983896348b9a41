"""Why a queued job has not started: the conditions of a claim in words, read once for many jobs."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from accounts.quotas import limits_of
from downloads.claims import Load
from downloads.engine.errors import ERRORS, ErrorCode
from downloads.models import Held, Job, Node

NEXT = "Starts in a moment."


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
            return "No worker has been heard of."
        if not self.open_nodes:
            return "All machines are drained."
        if self.busy >= self.total:
            return f"All {self.total} slots are busy."
        return ""


class Waiting:
    def __init__(self, nodes: list[Node] | None = None) -> None:
        self.now = timezone.now()
        self.held = Held.now()
        self.load = load = Load.now()
        self.full_hosts = set(load.full_hosts())
        self.full_batches, self.full_keys = set(load.full(load.batches)), set(load.full(load.keys))
        self.slots = Slots.of(list(Node.objects.alive()) if nodes is None else nodes, self.held)

    def reason(self, job: Job) -> str:
        """In the order in which an operator would ask. `job` is queued; its owner, batch and key are looked at."""
        return self._held(job) or self._not_due(job) or self._at_a_limit(job) or self.slots.shortage() or NEXT

    def _held(self, job: Job) -> str:
        if self.held.is_queue:
            return "The queue is paused."
        if job.owner_id in self.held.owners:
            return "Its user is paused."
        if job.host in self.held.hosts:
            return "Its host is paused."
        if job.batch_id in self.held.batches:
            return "Its batch is being stopped."
        return ""

    def _not_due(self, job: Job) -> str:
        if job.eligible_at <= self.now:
            return ""
        at = f"{job.eligible_at:%Y-%m-%d %H:%M:%S} UTC"
        if job.is_waiting_for_retry:
            return f"Tries again at {at} ({ERRORS[ErrorCode(job.error_code)].title})."
        return f"Asked to start at {at}."

    def _at_a_limit(self, job: Job) -> str:
        cap = limits_of(job.owner).concurrent_jobs
        if cap and self.load.owners[job.owner_id] >= cap:
            return f"Its user's limit: {cap} at a time."
        if job.batch_id in self.full_batches:
            return f"Its batch's limit: {self.load.limits[job.batch_id]} at a time."
        if job.api_key_id in self.full_keys:
            return f"Its key's limit: {self.load.limits[job.api_key_id]} at a time."
        if job.host in self.full_hosts:
            return f"The limit of its host: {self.load.hosts[job.host]} at a time."
        if job.fingerprint in self.load.fingerprints:
            return "It takes the files of a download of the same, which still runs."
        return ""
