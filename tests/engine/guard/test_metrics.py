"""The counters of a guard that runs by itself, as Prometheus reads them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.guard.peers import LOCAL, ROOT, Site, await_answer, framed, says
from tests.product import free_port, wait_until

LABELS = ("verdict", "reason")
COMMAND = [sys.executable, "-m", "downloads.engine.guard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    port: int
    metrics_port: int

    def values(self) -> dict[tuple[str, ...], float]:
        """By name, or by verdict and reason."""
        answer = httpx.get(f"http://{LOCAL}:{self.metrics_port}/metrics", trust_env=False)
        samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
        return {
            tuple(sample.labels[name] for name in LABELS if sample.labels) or (sample.name,): sample.value
            for sample in samples
        }


@pytest.fixture
def counted(site: Site) -> Iterator[Counted]:
    ports = Counted(port=free_port(), metrics_port=free_port())
    command = [*COMMAND, f"--port={ports.port}", f"--metrics-port={ports.metrics_port}"]
    process = subprocess.Popen(command, cwd=ROOT, env={"EGRESS_ALLOW": f"{LOCAL}:{site.port}"})
    try:
        wait_until(lambda: _listens(ports.port), 60, what="the guard")
        yield ports
    finally:
        process.terminate()
        process.wait(timeout=10)


def _listens(port: int) -> bool:
    try:
        await_answer(port)
    except OSError:
        return False
    return True


def test_a_guard_counts_what_it_was_asked_for_and_what_it_relayed(counted: Counted, site: Site) -> None:
    site.handlers["/"] = says(framed(b"x" * 5000))
    before = counted.values()
    with httpx.Client(proxy=f"http://{LOCAL}:{counted.port}", trust_env=False) as client:
        assert len(client.get(f"http://{LOCAL}:{site.port}/").content) == 5000
        assert client.get(f"http://{LOCAL}:1/").status_code == 403
    after = wait_until(lambda: (now := counted.values())[("egress_bytes_total",)] > 5000 and now, 30, what="the bytes")
    assert after["allowed", ""] == before["allowed", ""] + 1
    assert after["denied", "port"] == 1


def test_nothing_but_figures_is_told(counted: Counted) -> None:
    text = httpx.get(f"http://{LOCAL}:{counted.metrics_port}/metrics", trust_env=False).text
    assert LOCAL not in text


def test_a_metrics_port_that_is_taken_is_said_at_the_start(site: Site) -> None:
    command = [*COMMAND, "--port=0", f"--metrics-port={site.port}"]
    answer = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 1
    assert "guard: " in answer.stderr
