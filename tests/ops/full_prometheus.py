"""A real Prometheus watches the real product: `make ops-check` alone runs this, since it waits for alerts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.ops.programs import OPS
from tests.origin import Origin
from tests.product import ROOT, Product, free_port, wait_until
from tests.programs import program

TOKEN = "token-of-the-scraper"
# What is minutes in production; the rest of the configuration is as it is.
HURRY = {"interval": "500ms", "for": "1s", "range": "10s"}
PATIENCE = 60.0
VERDICTS = ("allowed", "denied")


class Prometheus:
    def __init__(self, directory: Path, target: str, guard: str | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)
        (directory / "token").write_text(TOKEN)
        (directory / "rules.yml").write_text(self._rules())
        (directory / "prometheus.yml").write_text(self._configuration(target, guard))

    def _rules(self) -> str:
        rules = yaml.safe_load((OPS / "prometheus" / "rules.yml").read_text())
        for rule in rules["groups"][0]["rules"]:
            rule["for"] = HURRY["for"]
            rule["expr"] = rule["expr"].replace("[5m]", f"[{HURRY['range']}]").replace("> 100", "> 3")
        return yaml.safe_dump(rules)

    def _configuration(self, target: str, guard: str | None) -> str:
        configuration = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text())
        configuration["global"] = {"scrape_interval": HURRY["interval"], "evaluation_interval": HURRY["interval"]}
        scrape, of_guard = configuration["scrape_configs"]
        scrape["authorization"]["credentials_file"] = str(self.directory / "token")
        scrape["static_configs"][0]["targets"] = [target]
        of_guard["static_configs"][0]["targets"] = [guard]
        if guard is None:
            configuration["scrape_configs"] = [scrape]
        return yaml.safe_dump(configuration)

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={self.directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={self.directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        try:
            answer = self.api.get("/api/v1/query", params={"query": expression})
        except httpx.TransportError:
            return []
        return list(answer.json()["data"]["result"]) if answer.status_code == 200 else []

    def value(self, expression: str) -> float | None:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        alerts = self.api.get("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    with Product(tmp_path, METRICS_TOKEN=TOKEN, WORKERS="1") as running:
        yield running


@contextmanager
def watching(directory: Path, product: Product, guard: str | None = None) -> Iterator[Prometheus]:
    directory.mkdir()
    prometheus = Prometheus(directory, f"127.0.0.1:{product.port}", guard)
    process = prometheus.start()
    try:
        wait_until(lambda: prometheus.value("min(up)") == 1, PATIENCE, what="the first scrape")
        yield prometheus
    finally:
        process.terminate()
        process.wait(timeout=30)
        prometheus.api.close()


@pytest.fixture
def prometheus(tmp_path: Path, product: Product) -> Iterator[Prometheus]:
    with watching(tmp_path / "prometheus", product) as running:
        yield running


@pytest.mark.needs("prometheus")
@pytest.mark.processes
def test_prometheus_sees_downloads_and_an_alert_that_fires_and_clears(
    product: Product, prometheus: Prometheus, origin: Origin
) -> None:
    job = product.submit(origin.url("/clip.mp4"))
    product.wait_for(job["request_id"], "completed")
    wait_until(lambda: prometheus.value('jobs_total{status="completed"}') == 1, PATIENCE, what="the job's count")
    assert prometheus.value("storage_bytes_used")
    assert prometheus.value("worker_heartbeat_age_seconds < bool 60") == 1
    wait_until(
        lambda: prometheus.value('egress_requests_total{verdict="allowed"} > 0'), PATIENCE, what="the guard's count"
    )
    assert prometheus.value('sum(http_requests_total{route="/api/v1/download",status="201"})') == 1
    assert prometheus.firing() == set()

    waiting = [product.submit(origin.url("/slow/20000/clip.mp4"))["request_id"] for _ in range(6)]
    wait_until(lambda: "MediadlQueueDeep" in prometheus.firing(), PATIENCE, what="the alert")
    for job_id in waiting:
        product.api.delete(f"/download/{job_id}")
    wait_until(lambda: "MediadlQueueDeep" not in prometheus.firing(), PATIENCE, what="the end of the alert")

    product.stop()
    wait_until(lambda: "MediadlDown" in prometheus.firing(), PATIENCE, what="the alert of a dead product")


@pytest.mark.needs("prometheus")
@pytest.mark.processes
def test_a_guard_that_runs_by_itself_is_counted_and_missed(tmp_path: Path, origin: Origin) -> None:
    """As ops/compose.yaml has it."""
    port, metrics_port = free_port(), free_port()
    command = [sys.executable, "-m", "downloads.engine.guard", f"--port={port}", f"--metrics-port={metrics_port}"]
    guard = subprocess.Popen(command, cwd=ROOT, env={"EGRESS_ALLOW": f"127.0.0.1:{origin.port}"})
    try:
        with (
            Product(tmp_path, METRICS_TOKEN=TOKEN, WORKERS="1", GUARD_URL=f"http://127.0.0.1:{port}") as product,
            watching(tmp_path / "prometheus", product, f"127.0.0.1:{metrics_port}") as prometheus,
        ):
            product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"], "completed")
            product.wait_for(product.submit("http://127.0.0.1:1/clip.mp4")["request_id"], "failed")
            allowed, denied = (f'max(egress_requests_total{{job="mediadl",verdict="{word}"}}) > 0' for word in VERDICTS)
            for expression in (allowed, denied, 'max(egress_bytes_total{job="mediadl"}) > 100000'):
                wait_until(lambda: prometheus.value(expression), PATIENCE, what=expression)  # noqa: B023 - at once
            assert prometheus.firing() == set()

            guard.terminate()
            wait_until(lambda: "MediadlDown" in prometheus.firing(), PATIENCE, what="the alert of a dead guard")
    finally:
        guard.kill()
        guard.wait()
