"""What the settings make of a platform's variables, in a process of its own, and what machines beside it are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.project.tree import ROOT

HEALTH = ("/api/v1/health", "/api/v1/health/live", "/api/v1/health/ready")
DOMAIN = "media-production.up.railway.app"
# Asks over plain HTTP.
ASK = """
import json, sys
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
from django.test import Client, RequestFactory
from accounts.addresses import client_ip
call_command("migrate", interactive=False, verbosity=0)
forwarded = RequestFactory().get("/", headers={"X-Real-IP": "198.51.100.7", "X-Forwarded-For": "6.6.6.6"})
asked = json.loads(sys.argv[1])
answers = [Client().get(path, headers={"Host": host}) for host, path in asked]
print(json.dumps({
    "data_dir": str(settings.DATA_DIR),
    "public_base_url": settings.PUBLIC_BASE_URL,
    "client_ip": client_ip(forwarded),
    "answers": [[answer.status_code, answer.headers.get("Location", "")] for answer in answers],
}))
"""


def product(*asked: tuple[str, str], **variables: str) -> dict[str, Any]:
    """What a product with these variables makes of them, and its answers to (host, path)."""
    answer = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(asked)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "mediadl.settings",
            "MEDIADL_TESTING": "1",
            **variables,
        },
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))


def test_on_railway_the_volume_is_the_data_directory_and_the_domain_the_address(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    asked = [("healthcheck.railway.app", "/api/v1/health/live"), (DOMAIN, "/api/v1/health/live")]
    found = product(*asked, RAILWAY_VOLUME_MOUNT_PATH=str(volume), RAILWAY_PUBLIC_DOMAIN=DOMAIN)
    assert found["data_dir"] == str(volume)
    assert (volume / "mediadl.sqlite3").exists()
    assert (volume / "secret_key").exists()
    assert found["public_base_url"] == f"https://{DOMAIN}"
    assert found["client_ip"] == "198.51.100.7", "that of the edge's own header"
    assert found["answers"] == [[200, ""], [200, ""]]


def test_what_the_operator_sets_goes_before_what_railway_does(tmp_path: Path) -> None:
    own = tmp_path / "own"
    found = product(
        DATA_DIR=str(own),
        PUBLIC_BASE_URL="https://media.example.org",
        RAILWAY_VOLUME_MOUNT_PATH=str(tmp_path / "volume"),
        RAILWAY_PUBLIC_DOMAIN=DOMAIN,
    )
    assert (found["data_dir"], found["public_base_url"]) == (str(own), "https://media.example.org")
    assert not (tmp_path / "volume").exists()


def test_elsewhere_the_platforms_header_is_not_believed(tmp_path: Path) -> None:
    found = product(("somewhere.example", "/api/v1/health/live"), DATA_DIR=str(tmp_path))
    assert found["client_ip"] == "127.0.0.1"
    assert found["public_base_url"] == "http://127.0.0.1:8080"
    assert found["answers"] == [[400, ""]]


def test_health_is_answered_over_plain_http_where_everything_else_is_sent_to_https(tmp_path: Path) -> None:
    """By its name, and by the address that a container's own check asks."""
    health = [(host, path) for host in ("media.example.org", "127.0.0.1") for path in HEALTH]
    elsewhere = [("media.example.org", path) for path in ("/library", "/api/v1/health/other", "/api/v1/me")]
    found = product(*health, *elsewhere, DATA_DIR=str(tmp_path), PUBLIC_BASE_URL="https://media.example.org")
    answers = found["answers"]
    # Nobody works there.
    assert answers[: len(health)] == [[503, ""], [200, ""], [200, ""]] * 2
    assert answers[len(health) :] == [[301, f"https://media.example.org{path}"] for _, path in elsewhere]
