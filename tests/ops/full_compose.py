"""ops/compose.yaml at work: every service but Grafana, started by its own words, and a download through all of them.

`make ops-check` alone runs this. It needs root, for namespaces with several users in them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.ops.composed import deployment, environment_file
from tests.ops.documented import carry_out, command_blocks
from tests.ops.machine import Machine, ip, network_of_its_own
from tests.ops.programs import OPS
from tests.origin import Origin
from tests.product import API_KEY, wait_until
from tests.project.tree import ROOT

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(600),
    pytest.mark.needs("ip", "nginx", "prometheus", "redis-server", "tini", "unshare"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run several users in namespaces"),
]

# A public address, as the guard sees it; nothing of the internet is on this network.
SITE = "93.184.215.14"
FILLED_IN = {
    "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
    "SECRET_KEY": "key-of-the-composed-tests-0123456789abcdefghijklmnopqrstuv",
    "POSTGRES_PASSWORD": "password-of-the-composed-tests",
    "METRICS_TOKEN": "token-of-the-composed-tests",
    "GRAFANA_PASSWORD": "unused",
    "API_KEY": API_KEY,
}
A_STORE = {"S3_BUCKET": "media", "S3_ACCESS_KEY_ID": "composed", "S3_SECRET_ACCESS_KEY": "composed-secret"}
CONNECT = f"import socket; socket.create_connection(({SITE!r}, 80), 3)"
FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=10).read().decode())"


@contextmanager
def composed(
    directory: Path, variables: dict[str, str], profiles: set[str], **headers: str
) -> Iterator[tuple[Machine, Origin, httpx.Client]]:
    """The machine, a site on its internet, and a client that comes by the port that nginx publishes."""
    headers = {"X-API-Key": API_KEY, **headers}
    with network_of_its_own():
        ip("address", "add", f"{SITE}/32", "dev", "lo")
        with (
            Origin(host=SITE, port=80) as site,
            Machine(directory, deployment(variables, profiles)) as machine,
            httpx.Client(base_url="http://127.0.0.1:8080", headers=headers, timeout=30, trust_env=False) as client,
        ):
            wait_for_health(client)
            yield machine, site, client


def wait_for_health(client: httpx.Client) -> None:
    wait_until(lambda: health(client) == "healthy", 120, every=1, what="its health")


def health(client: httpx.Client) -> str:
    """Empty before nginx answers."""
    with suppress(httpx.TransportError, ValueError):
        return str(client.get("/api/v1/health").json().get("status"))
    return ""


def downloaded(client: httpx.Client, url: str) -> dict[str, Any]:
    """The job, once it is over."""
    answer = client.post("/api/v1/download", json={"url": url, "embed_metadata": False})
    assert answer.status_code == 201, answer.text
    place = f"/api/v1/download/{answer.json()['request_id']}"

    def over() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(place).json()
        return job if job["status"] in {"completed", "failed"} else None

    job: dict[str, Any] = wait_until(over, 120, every=0.3, what="the end of the download")
    return job


def test_a_download_goes_through_every_container(tmp_path: Path) -> None:
    # One that compose.yaml passes on without knowing what for.
    variables = environment_file(FILLED_IN) | {"MAX_QUEUED_PER_OWNER": "12"}
    with composed(tmp_path, variables, {"monitoring"}) as (machine, site, client):
        assert client.get("/api/v1/me").json()["limits"]["queued_jobs"] == 12
        page = client.get("/", follow_redirects=True)
        style = re.search(r'href="(/static/[^"]+\.css)"', page.text)
        assert style
        assert client.get(style[1]).status_code == 200

        with client.stream("GET", "/api/v1/events") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            next(lines)
            job = downloaded(client, site.url("/clip.mp4"))
            assert job["status"] == "completed", job
            assert any(job["request_id"] in line for line in lines)

        file = client.get(job["file_url"])
        assert (file.status_code, file.headers["server"]) == (200, "nginx")
        assert hashlib.sha256(file.content).hexdigest() == site.sha256("/clip.mp4")
        assert "x-accel-redirect" not in file.headers
        assert re.fullmatch(r'"[0-9a-f]+-[0-9a-f]+"', file.headers["etag"]), "of nginx, which has read the file itself"
        part = client.get(job["file_url"], headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, file.content[1000:2000])

        only_the_guard_has_a_way_out(machine, client)
        nothing_can_be_written_or_gained(machine)
        prometheus_has_counted(machine)
        assert machine["redis"].run("redis-cli", "client", "list").stdout.count("\n") > 2
        assert (machine["worker"].stop(), machine["web"].stop(), machine["guard"].stop()) == (0, 0, 0)


def only_the_guard_has_a_way_out(machine: Machine, client: httpx.Client) -> None:
    assert machine["guard"].run("python", "-c", CONNECT).returncode == 0
    for name in ("worker", "web"):
        assert "Network is unreachable" in machine[name].run("python", "-c", CONNECT).stderr
    inward = downloaded(client, "http://web:8080/clip.mp4")
    assert (inward["status"], inward["error_code"]) == ("failed", "url_blocked")


def nothing_can_be_written_or_gained(machine: Machine) -> None:
    for name, container in machine.containers.items():
        assert "Read-only file system" in container.run("sh", "-c", "touch /written").stderr, name
        facts = dict(re.findall(r"^(\w+):\s*(.+)$", container.run("cat", "/proc/1/status").stdout, re.MULTILINE))
        held = {facts[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        assert (held, facts["NoNewPrivs"]) == ({"0" * 16}, "1"), name
        assert facts["Uid"].split()[0] != "0", name


def prometheus_has_counted(machine: Machine) -> None:
    for query, least in (
        ("sum(up)", 2),
        ('max(jobs_total{status="completed"})', 1),
        ('max(egress_requests_total{verdict="allowed"})', 1),
        ("max(worker_slots)", 4),
    ):
        wait_until(lambda: (value(machine, query) or 0) >= least, 90, every=3, what=query)  # noqa: B023 - at once
    assert asked(machine, "/api/v1/rules")["groups"]


def value(machine: Machine, query: str) -> float | None:
    found = asked(machine, "/api/v1/query", query=query)["result"]
    return float(found[0]["value"][1]) if found else None


def asked(machine: Machine, path: str, **parameters: str) -> dict[str, Any]:
    """As Grafana asks, and from the network that it is on."""
    (source,) = yaml.safe_load((OPS / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    answer = machine["web"].run("python", "-c", FETCH, str(httpx.URL(source["url"] + path, params=parameters)))
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout)["data"])


def test_a_download_goes_into_the_store_behind_a_name_with_https(tmp_path: Path) -> None:
    name = {"PUBLIC_BASE_URL": "https://media.example.org", "PROXY_COUNT": "2"}
    variables = environment_file(FILLED_IN | A_STORE | name, uncommented="(S3_|PROXY_COUNT)")
    # What the proxy with the certificate sends.
    forwarded = {"Host": "media.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7"}
    with composed(tmp_path, variables, {"s3", "monitoring"}, **forwarded) as (machine, site, client):
        job = downloaded(client, site.url("/clip.mp4"))
        assert job["status"] == "completed", job
        assert job["file_url"].startswith(name["PUBLIC_BASE_URL"])
        answer = client.get(httpx.URL(job["file_url"]).raw_path.decode())
        assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
        assert answer.headers["location"].startswith(variables["S3_PUBLIC_ENDPOINT_URL"])
        content = httpx.get(answer.headers["location"], trust_env=False).content
        assert hashlib.sha256(content).hexdigest() == site.sha256("/clip.mp4")
        checks = {check["name"]: check["status"] for check in client.get("/api/v1/health").json()["checks"]}
        assert checks["bucket"] == "ok"
        wait_until(lambda: value(machine, "sum(up)") == 2, 90, every=3, what="a scrape of both")


def test_a_backup_is_restored_by_the_commands_of_the_document(tmp_path: Path) -> None:
    backup, restore = command_blocks(ROOT / "docs" / "backup.md", "compose.yaml")
    with composed(tmp_path / "machine", environment_file(FILLED_IN), set()) as (machine, site, client):
        job = downloaded(client, site.url("/clip.mp4"))
        content, key = client.get(job["file_url"]).content, link_key(machine)
        for command in backup:
            carry_out(command, machine, tmp_path)
        later = downloaded(client, site.url("/item/1.mp4"))

        for command in restore:
            carry_out(command, machine, tmp_path)
            if command.endswith(" down"):
                machine.forget_volumes()
        wait_for_health(client)
        assert link_key(machine) == key
        assert client.get(job["file_url"]).content == content
        assert hashlib.sha256(content).hexdigest() == site.sha256("/clip.mp4")
        assert client.get(f"/api/v1/download/{later['request_id']}").status_code == 404
        # Onto what there is by now, too.
        downloaded(client, site.url("/item/2.mp4"))
        for command in restore:
            carry_out(command, machine, tmp_path)
        wait_for_health(client)
        assert client.get(job["file_url"]).content == content


def link_key(machine: Machine) -> str:
    """One of those that are generated into the volume."""
    found = machine["web"].run("cat", "/app/data/link_key").stdout
    assert found
    return found
