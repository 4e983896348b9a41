""".railway/*.ts against the platform's own package: `make ops-check` alone runs this, since npm has to fetch it.

It wants a newer Node than Debian 12 has, which is why CI does not run it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.ops.stand_ins import IMAGES
from tests.programs import program
from tests.project import environment
from tests.project.tree import ROOT

pytestmark = [pytest.mark.needs("npm"), pytest.mark.timeout(300)]

# Those that it was written with; the first is what Railway's command line reads the files by.
PACKAGES = ("railway@3.11.0", "typescript@7.0.2")
STRICT = {"strict": True, "noEmit": True, "module": "nodenext", "skipLibCheck": True, "types": []}
FILES = sorted((ROOT / ".railway").glob("*.ts"))
# As Railway's command line does it.
EVALUATE = """
import { createRailwayContext } from "railway/iac";
const { default: program } = await import(process.argv[2]);
console.log(JSON.stringify(await program(createRailwayContext())));
"""
HEALTH = "/api/v1/health/live"

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the packages, and the files in it."""
    directory = tmp_path_factory.mktemp("railway")
    (directory / "package.json").write_text('{"type": "module", "private": true}')
    command = [program("npm"), "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", *PACKAGES]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode:
        pytest.fail(f"npm could not fetch {' and '.join(PACKAGES)}:\n{done.stderr[-2000:]}")
    (directory / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "include": [".railway/*.ts"]}))
    (directory / "evaluate.mjs").write_text(EVALUATE)
    shutil.copytree(ROOT / ".railway", directory / ".railway")
    return directory


def checked(place: Path) -> subprocess.CompletedProcess[str]:
    compiler = place / "node_modules" / ".bin" / "tsc"
    return subprocess.run([compiler, "--project", place], capture_output=True, text=True, timeout=120, check=False)


def described(place: Path, path: Path) -> dict[str, dict[str, Any]]:
    """What it makes of the project, by name."""
    script: list[str | Path] = [place / "node_modules" / ".bin" / "tsx", "evaluate.mjs", f"./.railway/{path.name}"]
    done = subprocess.run(script, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return {resource["name"]: resource for resource in json.loads(done.stdout)["resources"]}


def test_the_compiler_finds_nothing_in_them(place: Path) -> None:
    answer = checked(place)
    assert answer.returncode == 0, answer.stdout


def test_the_compiler_finds_a_word_that_the_platform_does_not_know(place: Path) -> None:
    copy = place / ".railway" / "railway.ts"
    text = copy.read_text()
    try:
        copy.write_text(text.replace("drainingSeconds", "drainingSecond"))
        answer = checked(place)
    finally:
        copy.write_text(text)
    assert answer.returncode != 0
    assert "drainingSecond" in answer.stdout


@every_file
def test_every_service_is_stopped_in_its_own_time(place: Path, path: Path) -> None:
    services = [resource for resource in described(place, path).values() if resource["type"] == "service"]
    assert services
    for service in services:
        drain = int(service["variables"]["DRAIN_SECONDS"]["value"])
        assert drain < service["deploy"]["drainingSeconds"]
        assert service["build"] == {"builder": "DOCKERFILE", "dockerfilePath": "Dockerfile"}
        assert set(service["variables"]) - {"RAILWAY_RUN_UID"} <= set(environment.read_by_settings())


def test_one_service_has_its_volume_where_the_image_keeps_its_data(place: Path) -> None:
    found = described(place, ROOT / ".railway" / "railway.ts")
    (attached,) = found["mediadl"]["volumeAttachments"].values()
    assert [attached["mountPath"]] == list(IMAGES["mediadl"].directories)
    assert attached["volume"] == found["data"]["address"]
    assert found["mediadl"]["deploy"]["healthcheckPath"] == HEALTH
    legacy = tomllib.loads((ROOT / "railway.toml").read_text())["deploy"]
    said = found["mediadl"]["deploy"]
    assert {name: value for name, value in legacy.items() if value} == said


def test_several_services_share_a_database_keys_and_a_bucket_and_no_disk(place: Path) -> None:
    found = described(place, ROOT / ".railway" / "several.ts")
    web, worker = found["web"], found["worker"]
    assert {resource["type"] for resource in found.values()} == {"service", "database", "bucket"}
    for service, part in ((web, "web"), (worker, "worker")):
        assert "volumeAttachments" not in service
        assert service["deploy"]["startCommand"] == f"tini -- python manage.py up --only {part}"
        assert service["variables"]["DATABASE_URL"]["resource"] == found["database"]["address"]
    assert web["deploy"]["healthcheckPath"] == HEALTH
    assert "healthcheckPath" not in worker["deploy"]
    shared = worker["variables"]
    assert {name: web["variables"][name] for name in shared} == shared
    named = set(re.findall(r"\$\{\{(\w+)\.", json.dumps(shared)))
    assert named <= found.keys()
