"""The version that a running server says it is."""

from __future__ import annotations

import tomllib

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from downloads.metrics import exposition
from tests.project.tree import ROOT

pytestmark = pytest.mark.django_db

PACKAGED: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_health_says_the_version_of_the_package(client: Client) -> None:
    assert client.get("/api/v1/health").json()["version"] == PACKAGED


def test_metrics_say_the_version_of_the_package() -> None:
    families = text_string_to_metric_families(exposition().decode())
    (build,) = (family for family in families if family.name == "mediadl_build")
    assert [(sample.labels, sample.value) for sample in build.samples] == [({"version": PACKAGED}, 1)]
