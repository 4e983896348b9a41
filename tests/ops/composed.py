"""ops/compose.yaml as compose reads it: variables put in, profiles chosen, and what each image brings by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.ops.programs import OPS
from tests.ops.stand_ins import IMAGES, Image

COMPOSE = OPS / "compose.yaml"
EXAMPLE = OPS / "compose.env.example"
# No Debian package has it: its files are looked at by test_monitoring.py.
NOT_TO_BE_HAD = {"grafana"}

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\})")
_DURATION = re.compile(r"(\d+)s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    name: str
    subnet: str | None
    # Where addresses come from that no service has asked for; all of the subnet, if it is not said.
    pool: str | None
    is_internal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`source` is a path of this machine, or the name of a volume."""

    source: str
    target: str
    is_read_only: bool

    @property
    def is_volume(self) -> bool:
        return not self.source.startswith("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    name: str
    image: Image
    command: list[str]
    environment: dict[str, str]
    user: str
    # Network to fixed address.
    networks: dict[str, str | None]
    mounts: list[Mount]
    # Target to options.
    tmpfs: dict[str, str]
    ports: list[tuple[str, int, int]]
    is_read_only: bool
    drops_capabilities: bool
    gains_no_privileges: bool
    grace_seconds: float
    # None where there is none.
    healthcheck: list[str] | None
    # Service to condition.
    depends_on: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    services: dict[str, Service]
    networks: dict[str, Network] = field(default_factory=dict)

    def in_order(self) -> Iterator[Service]:
        """Each after what it depends on, and of those that could be next, who wants an address of its own last."""
        waiting = dict(self.services)
        while waiting:
            ready = [service for service in waiting.values() if not service.depends_on.keys() & waiting.keys()]
            yield waiting.pop(min(ready, key=lambda service: any(service.networks.values())).name)


def environment_file(values: Mapping[str, str], *, uncommented: str = "") -> dict[str, str]:
    """ops/.env as its example says: copied, and filled in. Names that begin with `uncommented` lose their `#`."""
    text = EXAMPLE.read_text()
    if uncommented:
        text = re.sub(rf"^#(?={uncommented})", "", text, flags=re.MULTILINE)
    found: dict[str, str] = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    assert values.keys() <= found.keys(), values.keys() - found.keys()
    return {**found, **values}


def deployment(variables: Mapping[str, str], profiles: set[str], *, text: str = "") -> Deployment:
    composed = _put_in(yaml.safe_load(text or COMPOSE.read_text()), variables)
    chosen = {
        name: given
        for name, given in composed["services"].items()
        if profiles.issuperset(given.get("profiles", ())) and name not in NOT_TO_BE_HAD
    }
    for given in chosen.values():
        _refuse(given, composed)
    return Deployment(
        services={name: _service(name, given, composed, variables) for name, given in chosen.items()},
        networks={name: _network(name, given or {}) for name, given in composed["networks"].items()},
    )


def _put_in(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _put_in(inner, variables) for name, inner in value.items()}
    if isinstance(value, list):
        return [_put_in(inner, variables) for inner in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        name, kind, default = match.groups()
        if name is None:
            return "$"
        if kind == "?" and not variables.get(name):
            raise ValueError(f"compose.yaml wants {name}")
        return variables.get(name) or default or ""

    return _VARIABLE.sub(found, value)


def _refuse(given: dict[str, Any], composed: dict[str, Any]) -> None:
    """What docker compose refuses: it copies such a secret into the container, which cannot be written to."""
    if given.get("read_only"):
        of_variables = [name for name in given.get("secrets", ()) if "file" not in composed["secrets"][name]]
        assert of_variables == [], "a read-only service can only have secrets of files"


def _service(name: str, given: dict[str, Any], composed: dict[str, Any], variables: Mapping[str, str]) -> Service:
    image = IMAGES[given["image"].partition(":")[0]]
    checked = given.get("healthcheck", {})
    networks = given["networks"]
    depends_on = {other: how["condition"] for other, how in given.get("depends_on", {}).items()}
    assert depends_on.keys() <= composed["services"].keys()
    return Service(
        name=name,
        image=image,
        command=[*given.get("entrypoint", image.entrypoint), *map(str, given.get("command", image.command))],
        environment=image.environment | _environment(given, variables),
        user=str(given.get("user", image.user)),
        networks=(
            {key: (value or {}).get("ipv4_address") for key, value in networks.items()}
            if isinstance(networks, dict)
            else dict.fromkeys(networks)
        ),
        mounts=[_mount(mount, composed) for mount in given.get("volumes", ())],
        tmpfs=dict(_tmpfs(given)),
        ports=[_port(port) for port in given.get("ports", ())],
        is_read_only=bool(given.get("read_only")),
        drops_capabilities=given.get("cap_drop") == ["ALL"],
        gains_no_privileges="no-new-privileges:true" in given.get("security_opt", ()),
        grace_seconds=_seconds(given.get("stop_grace_period", "10s")),
        healthcheck=None if checked.get("disable") else _check(checked.get("test", image.healthcheck)),
        depends_on=depends_on,
    )


def _environment(given: dict[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """One without a value is as the variable of that name; where there is none, the container has none."""
    said = given.get("environment", {})
    there = {key: variables.get(key) if value is None else str(value) for key, value in said.items()}
    return {key: value for key, value in there.items() if value is not None}


def _mount(mount: str, composed: dict[str, Any]) -> Mount:
    source, target, *options = mount.split(":")
    if source.startswith("."):
        place = (OPS / source).resolve()
        assert place.exists(), place
        return Mount(source=str(place), target=target, is_read_only=options == ["ro"])
    assert source in composed["volumes"], source
    return Mount(source=source, target=target, is_read_only=options == ["ro"])


def _tmpfs(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for entry in given.get("tmpfs", ()):
        target, _, options = entry.partition(":")
        yield target, options
    yield "/dev/shm", f"mode=1777,size={given.get('shm_size', '64m')}"


def _port(port: str) -> tuple[str, int, int]:
    """Address and port of the machine, and the container's."""
    address, outer, inner = port.rsplit(":", 2)
    return address, int(outer), int(inner)


def _seconds(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    assert found, duration
    return float(found[1])


def _check(test: list[str] | None) -> list[str] | None:
    if test is None:
        return None
    assert test[0] == "CMD", test
    return [str(word) for word in test[1:]]


def _network(name: str, given: dict[str, Any]) -> Network:
    (config,) = given.get("ipam", {}).get("config", [{}])
    return Network(
        name=name,
        subnet=config.get("subnet"),
        pool=config.get("ip_range"),
        is_internal=bool(given.get("internal")),
    )
