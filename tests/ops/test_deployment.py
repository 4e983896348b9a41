"""compose.yaml and nginx.conf: well-formed, hardened, and of variables that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ops.composed import NOT_TO_BE_HAD, deployment, environment_file
from tests.ops.nginx import command, configuration
from tests.ops.programs import OPS
from tests.project import environment
from tests.project.tree import ROOT

COMPOSE = OPS / "compose.yaml"
EXAMPLE = OPS / "compose.env.example"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
# Of the containers of others, and of compose.yaml itself.
FOREIGN = re.compile(r"(POSTGRES|GF|ROOT)_\w+|HTTPS_PROXY|EGRESS_DOMAINS_BLOCKED")
REQUIRED = ("PUBLIC_BASE_URL", "SECRET_KEY", "POSTGRES_PASSWORD", "METRICS_TOKEN", "GRAFANA_PASSWORD")
FILLED_IN = dict.fromkeys(REQUIRED, "filled-in")
# Of docs/configuration.md: what compose.yaml decides itself, and what another platform sets.
DECIDED = {
    *("DATABASE_URL", "REDIS_URL", "GUARD_URL", "DATA_DIR", "STORAGE_DIR", "HOST", "PORT", "NODE_NAME"),
    *("X_ACCEL_PASSTHROUGH", "PROMETHEUS_MULTIPROC_DIR", "DEBUG"),
}
OF_RAILWAY = {"RAILWAY_PUBLIC_DOMAIN", "RAILWAY_VOLUME_MOUNT_PATH"}
OF_OTHERS = {"guard": {"EGRESS_ALLOW", "EGRESS_PORTS"}, "prometheus": {"METRICS_TOKEN"}}
PARAMETERS = {"POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "LISTEN", "S3_LISTEN", "GRAFANA_LISTEN", "WORKER_CONTAINERS"}

every_service = pytest.mark.parametrize("name", SERVICES)


def test_compose_obeys_the_schema_of_its_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    answer = subprocess.run([*check, COMPOSE], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stdout


@every_service
def test_a_container_may_do_next_to_nothing(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"}
    assert "docker.sock" not in str(service)


@every_service
def test_only_the_guard_has_a_way_out_that_is_no_port(name: str) -> None:
    networks = set(SERVICES[name]["networks"])
    assert "inside" in networks
    assert ("egress" in networks) == (name == "guard")
    assert ("outside" in networks) == ("ports" in SERVICES[name])


def test_the_network_that_workers_are_on_leads_nowhere() -> None:
    assert yaml.safe_load(COMPOSE.read_text())["networks"]["inside"]["internal"] is True
    assert SERVICES["worker"]["networks"] == ["inside"]


def test_workers_go_through_the_guard() -> None:
    address = SERVICES["guard"]["networks"]["inside"]["ipv4_address"]
    assert SERVICES["worker"]["environment"]["GUARD_URL"] == f"http://{address}:3128"


def test_prometheus_reads_what_the_guard_counts() -> None:
    (port,) = (word for word in SERVICES["guard"]["command"] if word.startswith("--metrics-port="))
    scrapes = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {target for scrape in scrapes for group in scrape["static_configs"] for target in group["targets"]}
    assert targets == {"web:8080", f"guard:{port.partition('=')[2]}"}


@every_service
def test_ports_are_published_on_this_machine_alone_by_default(name: str) -> None:
    assert [port for port in SERVICES[name].get("ports", []) if ":-127.0.0.1:" not in port] == []


def test_images_are_pinned_to_a_version() -> None:
    images = {service["image"] for service in SERVICES.values()} - {"mediadl"}
    assert [image for image in images if not re.search(r":v?\d", image)] == []


def test_what_mediadl_is_given_are_variables_of_ours() -> None:
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    known = set(environment.read_by_settings())
    assert {name for name in given - known if not FOREIGN.fullmatch(name)} == set()


def everything_set(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Every variable of ours with a value of its own in ops/.env, and what the service has in its environment."""
    written = {variable: f"the operator's {variable}" for variable in environment.read_by_settings()}
    found = deployment(environment_file(FILLED_IN) | written, {"monitoring", "s3"})
    return written, found.services[name].environment


@pytest.mark.parametrize(("name", "of_another"), [("web", set()), ("worker", {"WEB_WORKERS"})])
def test_every_variable_of_the_configuration_arrives(name: str, of_another: set[str]) -> None:
    written, given = everything_set(name)
    missing = {variable for variable, value in written.items() if given.get(variable) != value}
    assert missing == DECIDED | OF_RAILWAY | of_another


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - NOT_TO_BE_HAD - {"web", "worker"}))
def test_other_containers_are_given_what_they_need_and_nothing_else(name: str) -> None:
    written, given = everything_set(name)
    assert {variable for variable, value in written.items() if given.get(variable) == value} == OF_OTHERS.get(
        name, set()
    )


def test_what_is_not_set_is_as_the_image_has_it() -> None:
    found = deployment(environment_file(FILLED_IN), set()).services["web"]
    assert found.environment["LOG_FORMAT"] == "json"
    assert not found.environment.keys() & {"LOG_LEVEL", "RATE_LIMIT_PER_MINUTE", "LINK_KEYS", "S3_PREFIX"}


def test_the_document_says_what_has_no_effect_in_the_file_of_variables() -> None:
    text = (ROOT / "docs" / "deploy-docker.md").read_text()
    assert {name for name in DECIDED if f"`{name}`" not in text} == set()


def test_the_example_has_every_variable_that_compose_gives_a_default_or_asks_for() -> None:
    asked = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE.read_text()))
    listed = set(re.findall(r"^#?([A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE))
    known = set(environment.read_by_settings())
    assert asked <= listed <= asked | known - DECIDED
    assert asked - known - PARAMETERS == {"HTTPS_PROXY"}


def test_secrets_have_no_default() -> None:
    text = COMPOSE.read_text()
    for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "METRICS_TOKEN", "GRAFANA_PASSWORD"):
        assert set(re.findall(rf"\$\{{{name}(.*?)\}}", text)) == {":?"}


def test_compose_takes_what_the_example_says() -> None:
    """It refuses, among others, a secret of a variable for a container that is read-only."""
    found = deployment(environment_file(FILLED_IN), {"monitoring", "s3"})
    assert found.services.keys() | NOT_TO_BE_HAD == SERVICES.keys()
    order = [service.name for service in found.in_order()]
    assert order.index("web") < min(order.index("nginx"), order.index("worker"))
    with pytest.raises(ValueError, match="wants"):
        deployment(environment_file(dict.fromkeys(REQUIRED[1:], "filled-in")), set())


def test_no_address_that_a_service_asks_for_can_be_given_to_another_before() -> None:
    found = deployment(environment_file(FILLED_IN), set())
    asked = [(name, address) for service in found.services.values() for name, address in service.networks.items()]
    fixed = [(found.networks[name], ip_address(address)) for name, address in asked if address]
    assert fixed
    for network, address in fixed:
        assert network.subnet
        assert network.pool
        assert address in ip_network(network.subnet)
        assert address not in ip_network(network.pool)


def test_prometheus_is_let_in_by_the_name_it_asks_for() -> None:
    found = deployment(environment_file(FILLED_IN), set())
    scrapes = yaml.safe_load((OPS / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = scrapes[0]["static_configs"][0]["targets"]
    assert target.partition(":")[0] in found.services["web"].environment["ALLOWED_HOSTS"].split(",")


def test_what_is_mounted_is_there() -> None:
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]
    sources = [mount.partition(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(sources) > 3
    assert [source for source in sources if not (OPS / source).exists()] == []
    assert (ROOT / "Dockerfile").exists()


@pytest.mark.needs("nginx")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    written = configuration(tmp_path / "nginx", upstream=9, files=tmp_path, port=9)
    answer = subprocess.run(command(written, "-t"), capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "warn" not in answer.stderr or os.geteuid() != 0
