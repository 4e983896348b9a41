"""P1, P2, P5, P6, P11, P16, S12: two web and three worker machines, of which one is lost and one is drained."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import boto3
import httpx
import pytest

from tests.faults.oracles import Oracle
from tests.faults.report import say
from tests.machines import Machines, machines
from tests.ops.bucket import BUCKET, store_server, variables
from tests.origin import Origin
from tests.postgres import throwaway_postgres
from tests.product import API_KEY, Product, wait_until
from tests.redis import redis_server

pytestmark = [pytest.mark.faults, pytest.mark.needs("redis-server"), pytest.mark.timeout(900)]

JOBS = 300
SLOW_EACH = 5
ALLOWED = 20


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with store_server() as address:
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
        client.create_bucket(Bucket=BUCKET)
        client.close()
        yield address


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, endpoint: str) -> Iterator[Machines]:
    directory = tmp_path_factory.mktemp("machines")
    with throwaway_postgres() as database, redis_server(directory) as redis:
        shared = {"DATABASE_URL": database, "REDIS_URL": redis, "WORKERS": "4", **variables(endpoint)}
        with machines(directory, shared, webs=2, workers=3) as made:
            made.start()
            yield made


@pytest.fixture
def oracle(deployment: Machines, origin: Origin) -> Oracle:
    return Oracle(deployment.webs[0], origin)


class Listener:
    """All that one web machine tells of the owner's jobs, by a stream that stays open."""

    def __init__(self, web: Product) -> None:
        self.completed: set[str] = set()
        self._web = web
        self._is_open, self._is_done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_open.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        """At the next heartbeat."""
        self._is_done.set()
        self._thread.join(30)

    def _listen(self) -> None:
        headers = {"X-API-Key": API_KEY}
        address = f"{self._web.api.base_url}events"
        with httpx.stream("GET", address, headers=headers, timeout=60, trust_env=False) as answer:
            for line in answer.iter_lines():
                self._is_open.set()
                if self._is_done.is_set():
                    return
                self._hear(line)

    def _hear(self, line: str) -> None:
        job = (json.loads(line[6:]).get("data") or {}) if line.startswith("data: {") else {}
        if job.get("status") == "completed":
            self.completed.add(job["request_id"])


def path_of(number: int) -> str:
    return f"/slow/60000/item/{number}.mp4" if number % SLOW_EACH == 0 else f"/item/{number}.mp4"


def completed(oracle: Oracle) -> int:
    return oracle.record.counts()["completed"]


def running_on(oracle: Oracle, worker: Product) -> int:
    node = worker.environment["NODE_NAME"]
    return len(oracle.record.rows(f"SELECT 1 FROM downloads_job WHERE status = 'running' AND worker LIKE '{node}/%'"))


def busy_after(oracle: Oracle, worker: Product, count: int) -> None:
    """Waits until so many jobs are completed, and this machine runs others."""
    wait_until(lambda: completed(oracle) >= count and running_on(oracle, worker) >= 2, 240, what="a busy machine")


@pytest.mark.promise("P1", "P2", "P5", "P16")
def test_three_hundred_jobs_outlive_a_lost_and_a_drained_machine(
    deployment: Machines, oracle: Oracle, origin: Origin
) -> None:
    stays, lost, drained = deployment.workers
    oracles = [oracle, Oracle(deployment.webs[1], origin)]
    oracles[1].ledger = oracle.ledger
    with Listener(deployment.webs[1]) as listener:
        began = time.monotonic()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda number: oracles[number % 2].submit(path_of(number)), range(JOBS)))
        assert len(oracle.ledger) == JOBS

        busy_after(oracle, lost, JOBS // 6)
        lost.kill_tree()
        busy_after(oracle, drained, JOBS // 3)
        assert drained.stop() == 0
        assert running_on(oracle, drained) == 0, "a drained machine hands its jobs back"
        oracle.rest(480)
        took = time.monotonic() - began
        wait_until(lambda: oracle.ledger.keys() <= listener.completed, 30, what="the last event on the other machine")

    # Other tests have jobs of their own here.
    assert Counter(job.status for job_id, job in oracle.record.jobs().items() if job_id in oracle.ledger) == {
        "completed": JOBS
    }
    histories = {job_id: steps for job_id, steps in oracle.record.histories().items() if job_id in oracle.ledger}
    steps = Counter(kind for history in histories.values() for kind, _, _ in history)
    assert steps["completed"] == JOBS
    # Those of the lost machine, and of any that a busy computer has kept from renewing a lease.
    assert steps["lost"] > 0
    assert steps["retrying"] == 0, "what a drained machine hands back is not charged"
    mains = Counter(row.job_id for row in oracle.record.files() if row.is_main and row.job_id in oracle.ledger)
    assert set(mains.values()) == {1}
    assert mains.keys() == oracle.ledger.keys()
    assert [machine.deaths for machine in (*deployment.webs, stays)] == [0, 0, 0]
    say("P1", f"{JOBS} jobs by 3, then 2, then 1 machine: {steps['completed']} completed in {took:.0f} s")
    say("P2", f"{JOBS} jobs by several machines: {len(mains)} sets of files, each once")
    say("P5", f"a machine that is drained: {steps['queued'] - JOBS} jobs handed back, none charged")
    say("P16", f"of a machine that was killed among several: {steps['lost']} jobs run again, each once")


@pytest.mark.promise("P6")
def test_every_file_is_read_by_way_of_any_web_machine(deployment: Machines, oracle: Oracle, origin: Origin) -> None:
    for number in range(901, 905):
        oracle.submit(path_of(number))
    oracle.rest(60)
    rows, wrong = [row for row in oracle.record.files() if row.is_main], []
    with httpx.Client(timeout=60) as reader:
        for number, row in enumerate(rows):
            web = deployment.webs[number % 2]
            job = web.job(row.job_id)
            answer = web.api.get(job["file_url"])
            assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
            content = reader.get(answer.headers["location"]).content
            expected = origin.sha256(httpx.URL(job["url"]).path)
            if not hashlib.sha256(content).hexdigest() == row.sha256 == expected:
                wrong.append(job["url"])
    assert wrong == []
    say("P6", f"{len(rows)} files in a bucket, read by way of two web machines: the bytes of their rows")


@pytest.mark.promise("S12")
def test_limits_are_those_of_all_machines_together(deployment: Machines) -> None:
    # Of a key, ten reads for each submission.
    limited = {"name": "limited", "scopes": ["read"], "rate_limit_per_minute": ALLOWED // 10}
    made = deployment.webs[0].api.post("/keys", json=limited)
    assert made.status_code == 201, made.text
    headers = {"X-API-Key": made.json()["key"]}
    clients = [httpx.Client(base_url=web.api.base_url, headers=headers, timeout=60) for web in deployment.webs]
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: clients[number % 2].get("/me").status_code, range(4 * ALLOWED)))
    took = time.monotonic() - began
    for client in clients:
        client.close()
    # The bucket fills again while the requests go on.
    assert Counter(answers)[200] - ALLOWED in range(int(took * ALLOWED / 60) + 2)
    assert set(answers) == {200, 429}
    passed = Counter(answers)[200]
    say("S12", f"{4 * ALLOWED} parallel reads of two web machines in {took:.1f} s: {passed} at a limit of {ALLOWED}")


@pytest.mark.promise("P11")
def test_a_machine_is_steered_by_way_of_the_other(deployment: Machines, origin: Origin) -> None:
    first, second = deployment.webs
    job = first.submit(origin.url("/slow/5000/item/999.mp4"))["request_id"]
    second.wait_for(job, "running")
    began = time.monotonic()
    assert second.api.delete(f"/download/{job}").status_code in {200, 202, 204}
    assert first.wait_for(job)["status"] == "cancelled"
    say("P11", f"cancelled by way of one machine, seen by way of the other after {time.monotonic() - began:.2f} s")
