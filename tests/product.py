"""The real product as processes: started like `make run`, on a free port, with a data directory of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg

from tests.described import check_response

ROOT = Path(__file__).resolve().parent.parent
API_KEY = "operator-key-of-the-tests-0123456789"
START_SECONDS = 60.0
# What the fork server says when an attempt can be made.
ENGINE_READY = "engine ready after"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def own_database(server: str) -> str:
    """A new database beside the one that `server` names: two products on one would take each other's jobs."""
    name = f"product_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"{server.rpartition('/')[0]}/{name}"


def wait_until(
    condition: Callable[[], Any], seconds: float, *, every: float = 0.05, what: str = "the condition"
) -> Any:
    """The first true value of `condition`. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {seconds:g} s")
        time.sleep(every)


class Product:
    """`with Product(tmp_path, egress="127.0.0.1") as product:`; `environment` overrides what it starts with."""

    def __init__(self, directory: Path, *, egress: str = "127.0.0.1/32", **environment: str) -> None:
        # The tree whose code runs.
        self.root = ROOT
        self.data_dir = directory / "data"
        self.port = free_port()
        self.log_path = directory / "product.log"
        base = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
        if "DATABASE_URL" not in environment and (server := os.environ.get("DATABASE_URL")):
            base["DATABASE_URL"] = own_database(server)
        self.environment = base | {
            "DATA_DIR": str(self.data_dir),
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "API_KEY": API_KEY,
            "EGRESS_ALLOW": egress,
            "RATE_LIMIT_PER_MINUTE": "1000000",
            "RATE_LIMIT_PER_HOUR": "1000000",
            "MEDIADL_TESTING": "1",
            # A test that asks twice wants two downloads, unless it is about that.
            "DOWNLOAD_REUSE_SECONDS": "0",
            "NODE_NAME": f"test-{self.port}",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.known: set[tuple[int, str]] = set()
        self.api = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/api/v1",
            headers={"X-API-Key": API_KEY},
            timeout=30,
            trust_env=False,
            event_hooks={"response": [check_response]},
        )

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                self.stop()
        finally:
            self.kill_tree()
            self.api.close()

    def start(self, *arguments: str) -> Self:
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                [os.environ.get("PRODUCT_PYTHON") or sys.executable, str(self.root / "manage.py"), "up", *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        answers = self._works if "worker" in arguments else self._answers
        wait_until(answers, START_SECONDS, what="the first answer")
        return self

    def wait_for_engine(self) -> Self:
        """It gives way to everything else: on a busy machine it is a minute later than the first answer."""
        wait_until(lambda: ENGINE_READY in self.log_since_start(), 120, what="an engine that is ready")
        return self

    def _answers(self) -> bool:
        self._must_run()
        with suppress(httpx.HTTPError):
            return self.api.get("/health/ready").status_code == 200
        return False

    def _works(self) -> bool:
        """A node of workers alone answers nobody."""
        self._must_run()
        return "worker ready" in self.log_since_start()

    def _must_run(self) -> None:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"the product ended at its start:\n{self.log()}")

    # --- Ending it ----------------------------------------------------------------------------------------------

    def stop(self, seconds: float = 60) -> int:
        """SIGTERM, and its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=seconds)

    def kill(self) -> None:
        """SIGKILL to the supervisor alone: everything below has to follow by itself."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_tree(self) -> None:
        """SIGKILL to every process of this product, all at once."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def freeze(self, word: str) -> list[int]:
        """SIGSTOP to the process whose title has `word` and to all below it, when none of them holds SQLite's lock."""
        pids = self.tree(word)

        def hold() -> bool:
            self.signal(pids, signal.SIGSTOP)
            if self._is_locked():
                self.signal(pids, signal.SIGCONT)
                return False
            return True

        wait_until(hold, 30, every=0.2, what="a moment between two transactions")
        return pids

    def thaw(self, pids: Iterable[int]) -> None:
        self.signal(pids, signal.SIGCONT)

    def signal(self, pids: Iterable[int], number: int) -> None:
        """Those that have ended since are left out."""
        alive = self.pids()
        for pid in pids:
            if pid in alive:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _is_locked(self) -> bool:
        if self.sqlite_file is None:
            return False
        with closing(sqlite3.connect(self.sqlite_file, timeout=1)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
        return False

    # --- Looking at it ------------------------------------------------------------------------------------------

    @property
    def sqlite_file(self) -> Path | None:
        """None on PostgreSQL."""
        url = self.environment.get("DATABASE_URL", "")
        if url.startswith("postgres"):
            return None
        return Path(url.removeprefix("sqlite:///") or self.data_dir / "mediadl.sqlite3")

    @property
    def deaths(self) -> int:
        """How often a service has ended by itself, or was killed, since the last start."""
        return self.log_since_start().count("; starting it again in")

    def pids(self) -> dict[int, str]:
        """Every live process of this product, with its title.

        Known by DATA_DIR in its environment, by its parent, or from an earlier look: a title may overwrite the first,
        and the death of a parent the second.
        """
        table = dict(_processes())
        ours = {pid for pid, known in table.items() if (pid, known.started) in self.known or self._is_ours(pid)}
        grown = True
        while grown:
            below = {pid for pid, known in table.items() if known.parent in ours} - ours
            grown = bool(below)
            ours |= below
        self.known |= {(pid, table[pid].started) for pid in ours}
        return {pid: table[pid].command for pid in ours}

    def tree(self, word: str) -> list[int]:
        """The process whose title has `word`, and all below it."""
        table = dict(_processes())
        found = [min(pid for pid, command in self.pids().items() if word in command)]
        for pid in found:
            found += [child for child, known in table.items() if known.parent == pid]
        return found

    def works_on(self, pid: int, job_id: str) -> bool:
        """Whether the process runs in the job's directory: its leash, its child, its ffmpeg."""
        with suppress(OSError):
            return job_id in str(Path(f"/proc/{pid}/cwd").readlink())
        return False

    def _is_ours(self, pid: int) -> bool:
        with suppress(OSError):
            return str(self.data_dir).encode() in Path(f"/proc/{pid}/environ").read_bytes()
        return False

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_since_start(self) -> str:
        return self.log_path.read_bytes()[self._log_start :].decode(errors="replace")

    def sign_in_link(self) -> str:
        found: re.Match[str] | None = wait_until(lambda: re.search(r"open (http\S+)", self.log()), 10)
        assert found is not None
        return found[1]

    # --- Using it -----------------------------------------------------------------------------------------------

    def submit(self, url: str, **options: Any) -> dict[str, Any]:
        response = self.api.post("/download", json={"url": url, **options})
        assert response.status_code == 201, response.text
        return dict(response.json())

    def job(self, job_id: str) -> dict[str, Any]:
        response = self.api.get(f"/download/{job_id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def wait_for(self, job_id: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        """The job once it has one of `statuses` (any final one by default)."""
        wanted = statuses or ("completed", "failed", "cancelled")

        def arrived() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in wanted else None

        found: dict[str, Any] = wait_until(arrived, seconds, what=f"job {job_id} becoming {wanted}")
        return found

    def fetch(self, url: str, **headers: str) -> httpx.Response:
        return self.api.get(url, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    parent: int
    started: str
    command: str


def _processes() -> Iterator[tuple[int, Known]]:
    """By pid, everything alive; zombies are left out."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, IndexError):
            facts = (entry / "stat").read_text().rpartition(")")[2].split()
            if facts[0] != "Z":
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                yield int(entry.name), Known(parent=int(facts[1]), started=facts[19], command=command)
