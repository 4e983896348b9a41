"""What `make sbom` writes: every package that is locked, and what the image has beside them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.project.tree import ROOT

# It comes with what documents are made by (`make docs`); CI has it.
pytestmark = pytest.mark.skipif(
    not (find_spec("cyclonedx_py") or os.environ.get("REQUIRE_PROGRAMS")), reason="needs cyclonedx-bom: make sbom"
)

# Of other systems, by their markers in the lock.
NOT_SHIPPED = {"async-timeout", "brotlicffi", "tzdata"}


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    written: Path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    subprocess.run([sys.executable, ROOT / "ops" / "documents" / "sbom.py", written], check=True, timeout=120)
    return dict(json.loads(written.read_text()))


@pytest.fixture(scope="module")
def components(bill: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By type and name."""
    found = {f"{component['type']} {component['name']}": component for component in bill["components"]}
    assert len(found) == len(bill["components"])
    return found


def test_it_has_every_package_of_the_lock_with_its_version_and_hashes(components: dict[str, dict[str, Any]]) -> None:
    lock = (ROOT / "requirements.txt").read_text()
    locked = dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", lock, re.MULTILINE))
    assert locked.keys() > NOT_SHIPPED
    wanted = {name: version for name, version in locked.items() if name not in NOT_SHIPPED}
    packages = {
        component["name"]: component
        for component in components.values()
        if component.get("purl", "").startswith("pkg:pypi/")
    }
    assert {name: package["version"] for name, package in packages.items()} == wanted
    for package in packages.values():
        assert package["licenses"], package["name"]
        hashes = [entry for reference in package["externalReferences"] for entry in reference.get("hashes", [])]
        assert {entry["alg"] for entry in hashes} == {"SHA-256"}, package["name"]
        assert all(entry["content"] in lock for entry in hashes)


def test_it_has_the_scripts_of_pages(components: dict[str, dict[str, Any]]) -> None:
    for name in ("htmx.org", "idiomorph"):
        assert components[f"library {name}"]["hashes"][0]["alg"] == "SHA-256"


def test_it_has_what_the_image_has_beside_packages(components: dict[str, dict[str, Any]]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    image = components["container python"]
    assert f"\nFROM {image['name']}:{image['version']}\n" in dockerfile
    assert image["version"].startswith(components["platform cpython"]["version"] + "-")
    assert image["version"].endswith(components["operating-system debian"]["version"])
    assert components["application tini"]["licenses"] == [{"license": {"id": "MIT"}}]
    assert re.fullmatch(r"\d+(\.\d+)+", components["application ffmpeg"]["version"])


def test_it_says_what_ffmpeg_came_with(bill: dict[str, Any], components: dict[str, dict[str, Any]]) -> None:
    below = {entry["ref"]: entry["dependsOn"] for entry in bill["dependencies"]}
    assert below[components["library imageio-ffmpeg"]["bom-ref"]] == [components["application ffmpeg"]["bom-ref"]]
    assert components["library django"]["bom-ref"] in below[bill["metadata"]["component"]["bom-ref"]]
