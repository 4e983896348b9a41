"""What must be true of a product at rest, worked out without its code: plain SQL beside a walk over the disk.

The ledger holds what a client was promised: each answer of 201, with the path at the origin that it asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.origin import Origin
from tests.postgres import find_programs
from tests.product import Product, wait_until

FINAL = {"completed", "failed", "cancelled"}
# (status before, event) → status after; what is not here must not happen.
EDGES = {
    ("", "queued"): "queued",
    ("queued", "started"): "running",
    ("queued", "paused"): "paused",
    ("queued", "cancelled"): "cancelled",
    ("running", "stage"): "running",
    ("running", "completed"): "completed",
    ("running", "failed"): "failed",
    ("running", "cancelled"): "cancelled",
    ("running", "paused"): "paused",
    ("running", "retrying"): "queued",
    ("running", "lost"): "queued",
    ("running", "queued"): "queued",
    ("paused", "queued"): "queued",
    ("paused", "cancelled"): "cancelled",
    ("failed", "queued"): "queued",
    ("cancelled", "queued"): "queued",
    ("completed", "kept"): "completed",
    ("completed", "expired"): "completed",
    ("completed", "evicted"): "completed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    id: str
    status: str
    attempt: int
    error_code: str
    has_lease: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    job_id: str
    key: str
    size: int
    sha256: str
    is_main: bool


class Record:
    def __init__(self, product: Product) -> None:
        self._url = product.environment.get("DATABASE_URL", "")
        self._file = product.sqlite_file

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(self._connect()) as connection:
            return list(connection.execute(statement).fetchall())

    def execute(self, statement: str) -> int:
        """The number of rows changed."""
        with closing(self._connect()) as connection:
            changed = connection.execute(statement).rowcount
            connection.commit()
        return int(changed)

    def _connect(self) -> Any:
        if self._file is None:
            return psycopg.connect(self._url, connect_timeout=5)
        return sqlite3.connect(self._file, timeout=20)

    def jobs(self) -> dict[str, JobRow]:
        rows = self.rows("SELECT id, status, attempt, error_code, lease FROM downloads_job")
        return {
            _text(key): JobRow(id=_text(key), status=status, attempt=attempt, error_code=code, has_lease=bool(lease))
            for key, status, attempt, code, lease in rows
        }

    def files(self) -> list[FileRow]:
        rows = self.rows(
            "SELECT job_id, storage_key, size_bytes, sha256, is_main FROM downloads_mediafile WHERE deleted_at IS NULL"
        )
        return [
            FileRow(job_id=_text(job), key=key, size=size, sha256=digest, is_main=bool(main))
            for job, key, size, digest, main in rows
        ]

    def histories(self) -> dict[str, list[tuple[str, int, str]]]:
        """(event, attempt, status) of each job, in order."""
        found = defaultdict(list)
        for job, kind, attempt, data in self.rows(
            "SELECT job_id, kind, attempt, data FROM downloads_jobevent ORDER BY id"
        ):
            facts = json.loads(data) if isinstance(data, str) else data
            found[_text(job)].append((kind, attempt, facts["status"]))
        return found

    def counts(self) -> Counter[str]:
        return Counter(job.status for job in self.jobs().values())

    def is_at_rest(self) -> bool:
        return all(job.status in FINAL for job in self.jobs().values())

    def integrity(self) -> list[str]:
        """What the database itself finds wrong with its pages and indexes."""
        if self._file is None:
            return self._amcheck()
        return [text for (text,) in self.rows("PRAGMA integrity_check") if text != "ok"]

    def _amcheck(self) -> list[str]:
        """Every table, and every index against its table; nothing where the program or its extension is missing."""
        program = find_programs() / "pg_amcheck"
        if not program.exists() or not self.rows("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'"):
            return []
        command = [str(program), "--install-missing", "--heapallindexed", "--no-dependent-toast"]
        facts = conninfo_to_dict(self._url)
        where = {"PGHOST": str(facts["host"]), "PGUSER": str(facts["user"]), "PGDATABASE": str(facts["dbname"])}
        done = subprocess.run(command, env=os.environ | where, capture_output=True, text=True, check=False)
        return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] if done.returncode else []


class Oracle:
    """`submit` fills the ledger; `verdict` waits for rest and says all that is wrong."""

    def __init__(self, product: Product, origin: Origin) -> None:
        self.product = product
        self.origin = origin
        self.record = Record(product)
        self.ledger: dict[str, str] = {}
        # More than one where several nodes share a database and each has a disk of its own.
        self.data_dirs = [product.data_dir]

    def submit(self, path: str, **options: Any) -> str:
        """Bytes arrive as the origin sends them: nothing is embedded."""
        job = self.product.submit(self.origin.url(path), embed_metadata=False, **options)
        self.ledger[job["request_id"]] = path
        return str(job["request_id"])

    def post(self, path: str, idempotency_key: str) -> httpx.Response:
        """Whatever is answered: what a client does that repeats a request whose answer it has lost."""
        body = {"url": self.origin.url(path), "embed_metadata": False}
        answer = self.product.api.post("/download", json=body, headers={"Idempotency-Key": idempotency_key})
        if answer.status_code == 201:
            self.ledger[answer.json()["request_id"]] = path
        return answer

    def rest(self, seconds: float) -> None:
        wait_until(self.record.is_at_rest, seconds, every=0.2, what="the end of every job")

    def verdict(self, *, seconds: float = 60) -> list[str]:
        """Everything that must never be wrong, once all jobs have ended."""
        self.rest(seconds)
        return [*self._about_jobs(), *self._about_bytes(), *self.record.integrity()]

    def final_verdict(self, *, seconds: float = 60, quiet_seconds: float = 60) -> list[str]:
        """Also what was left behind, which the sweeps have `quiet_seconds` to take away."""
        problems = self.verdict(seconds=seconds)
        with suppress(TimeoutError):
            wait_until(lambda: not list(self._left_behind()), quiet_seconds, every=0.5)
        return [*problems, *self._left_behind()]

    def _about_jobs(self) -> Iterator[str]:
        jobs, files = self.record.jobs(), self.record.files()
        for job_id in self.ledger.keys() - jobs.keys():
            yield f"{job_id} was promised and is lost"
        for job in jobs.values():
            if job.has_lease:
                yield f"{job.id} is {job.status} under a lease"
        mains = Counter(file.job_id for file in files if file.is_main)
        attempts = {file.job_id: set[str]() for file in files}
        for file in files:
            attempts[file.job_id].add(file.key.split("/")[1])
        for job_id in self.ledger.keys() & jobs.keys():
            is_expired = any(kind in {"expired", "evicted"} for kind, _, _ in self.record.histories()[job_id])
            expected = int(jobs[job_id].status == "completed" and not is_expired)
            if mains[job_id] != expected or len(attempts.get(job_id, ())) != expected:
                yield f"{job_id} is {jobs[job_id].status} with {mains[job_id]} main files"
        yield from self._about_histories()

    def _about_histories(self) -> Iterator[str]:
        for job_id, history in self.record.histories().items():
            yield from (f"{job_id}: {problem}" for problem in illegal_steps(history))

    def _about_bytes(self) -> Iterator[str]:
        disk = self._disk()
        rows = {file.key: file for file in self.record.files()}
        yield from (f"{key} has a row and no bytes" for key in rows.keys() - disk.keys())
        for key in disk.keys() & rows.keys():
            yield from self._about_file(rows[key], disk[key])

    def _left_behind(self) -> Iterator[str]:
        keys = {file.key for file in self.record.files()}
        yield from (f"{key} belongs to no row" for key in self._disk() if key not in keys)
        finished = {job.id for job in self.record.jobs().values() if job.status in FINAL}
        work = {entry.name for directory in self.data_dirs for entry in (directory / "work").iterdir()}
        yield from (f"work of {job_id} was left behind" for job_id in work & finished)

    def _disk(self) -> dict[str, Path]:
        """What lies below the media roots, by key."""
        return {key: path for directory in self.data_dirs for key, path in _files_below(directory / "files")}

    def _about_file(self, row: FileRow, path: Path) -> Iterator[str]:
        if (size := path.stat().st_size) != row.size:
            yield f"{row.key} has {size} bytes, its row says {row.size}"
        if hashlib.sha256(path.read_bytes()).hexdigest() != row.sha256:
            yield f"{row.key} has other bytes than its row says"
        asked = self.ledger.get(row.job_id)
        if asked and row.is_main and row.sha256 != self.origin.sha256(asked):
            yield f"{row.key} has other bytes than the origin's {asked}"


def illegal_steps(history: Iterable[tuple[str, int, str]]) -> Iterator[str]:
    """Also attempts that are not numbered one by one."""
    status, running = "", 0
    for kind, attempt, after in history:
        if EDGES.get((status, kind)) != after:
            yield f"{status or 'nothing'} became {after} by {kind}"
        if kind == "started" and attempt != running + 1:
            yield f"attempt {running} was followed by {attempt}"
        if kind in {"completed", "failed", "retrying", "lost", "stage"} and attempt != running:
            yield f"attempt {attempt} says {kind} while {running} is the one"
        running = max(running, attempt)
        status = after


def _files_below(root: Path) -> Iterator[tuple[str, Path]]:
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory) / name
            yield str(path.relative_to(root)), path


def _text(key: object) -> str:
    """SQLite keeps a UUID as 32 hexadecimal digits, PostgreSQL as itself."""
    return str(uuid.UUID(str(key)))
