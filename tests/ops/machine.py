"""A machine that runs what ops/compose.yaml describes, with namespaces instead of an engine: needs root.

Commands, environments, mounts, users, networks, ports and the order of starts are those of the file. Images are
stood in for: tests/ops/stand_ins.py.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.ops.composed import Deployment, Mount, Service
from tests.ops.container import Bind, Plan
from tests.ops.stand_ins import ASIDE, IMAGES, IN_THE_IMAGE, SCRIPT, Image
from tests.product import wait_until
from tests.project.tree import ROOT

CLONE_NEWNET = 0x40000000
NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
# Nothing outlives a test that is killed.
WITH_US = ("setpriv", "--pdeathsig=KILL")
HEALTHY_WITHIN = 150.0


@contextmanager
def network_of_its_own() -> Iterator[None]:
    """For this thread and what it starts: nothing but a loopback interface."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "no network namespace")
        try:
            ip("link", "set", "lo", "up")
            yield
        finally:
            if libc.setns(before.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "no way back")


def ip(*arguments: str, of: int | None = None) -> None:
    """`of` is a process whose network it is about."""
    there = ["nsenter", f"--target={of}", "--net"] if of else []
    subprocess.run([*there, "ip", *arguments], check=True)


@dataclass(slots=True, kw_only=True)
class Container:
    plan: Plan
    grace_seconds: float
    # `unshare`, which ends as the command does.
    process: subprocess.Popen[str]
    # Of the command: the first process in its namespace.
    pid: int
    log: Path

    @property
    def is_there(self) -> bool:
        return Path(f"/proc/{self.pid}").exists()

    def run(self, *command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec`."""
        whole, given = self._inside(*command), self.plan.environment
        return subprocess.run(whole, env=given, capture_output=True, text=True, timeout=seconds, check=False)

    def pipe(self, command: list[str], source: Path, target: Path) -> None:
        """As `docker compose exec -T … < source > target`. Raises CalledProcessError."""
        with source.open("rb") as given, target.open("wb") as taken:
            whole = self._inside(*command)
            subprocess.run(whole, env=self.plan.environment, stdin=given, stdout=taken, timeout=120, check=True)

    def _inside(self, *command: str) -> list[str]:
        inside = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--ipc", "--uts", "--root", "--wd"]
        return [*inside, *self.plan.as_user(list(command))]

    def stop(self) -> int:
        """As `docker compose stop`: the exit status, and -9 when it has not ended in its time."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        try:
            return self.process.wait(self.grace_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """The command goes with `unshare`, and everything in its namespace with the command."""
        self.process.kill()
        return self.process.wait()

    def must_run(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.plan.host_name} has ended:\n{self.said()}")

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]


class Machine:
    """`with network_of_its_own(), Machine(directory, deployment) as machine:`, all of it in one thread."""

    def __init__(self, directory: Path, deployment: Deployment) -> None:
        self.containers: dict[str, Container] = {}
        self._directory = directory
        self._deployment = deployment
        self._addresses = Addresses(deployment)
        self._relays: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            for name in ("hosts", "logs", "roots", "volumes", "staticfiles"):
                (self._directory / name).mkdir(parents=True)
            self._build()
            self._addresses.make_bridges()
            self.up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for container in self.containers.values():
            container.kill()
        self._forget()

    def up(self, *names: str) -> None:
        """As `docker compose up -d --wait`, of all that does not run or of these alone."""
        for service in self._deployment.in_order():
            if service.name not in self.containers and (not names or service.name in names):
                for name, condition in service.depends_on.items():
                    self._wait_for(name, condition)
                self._start(service)
        for name in self.containers:
            if self._deployment.services[name].healthcheck:
                self._wait_for(name, "service_healthy")

    def down(self) -> None:
        """As `docker compose down`: volumes stay."""
        for container in reversed(list(self.containers.values())):
            container.stop()
        self._forget()

    @contextmanager
    def another(self, name: str) -> Iterator[Container]:
        """A container of the service for one command, as of `docker compose run --no-deps`, with nobody to talk to."""
        service = self._deployment.services[name]
        container = self._run(self._plan(service, f"{name}-run", ["sleep", "infinity"]), grace_seconds=1)
        try:
            self._go(container)
            line = Path(f"/proc/{container.pid}/cmdline")
            wait_until(lambda: b"infinity" in line.read_bytes(), 30, what="its command")
            yield container
        finally:
            container.kill()
            wait_until(lambda: not container.is_there, 30, what="its end")

    def forget_volumes(self) -> None:
        """As on another machine."""
        shutil.rmtree(self._directory / "volumes")
        (self._directory / "volumes").mkdir()

    def _forget(self) -> None:
        for relay in self._relays:
            relay.kill()
            relay.wait()
        ended = [container for container in self.containers.values() if container.pid]
        wait_until(lambda: not any(container.is_there for container in ended), 30, what="the end of all of them")
        self._relays.clear()
        self.containers.clear()
        self._addresses.forget()

    def __getitem__(self, name: str) -> Container:
        return self.containers[name]

    # --- Starting -----------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """What the Dockerfile's last stage makes, beside what it copies."""
        static = Bind(source=str(self._directory / "staticfiles"), target="/app/staticfiles", is_read_only=False)
        image = IMAGES["mediadl"]
        plan = Plan(
            root=str(self._root_of("build")),
            host_name="build",
            command=["python", "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
            environment=image.environment | {"DATA_DIR": "/tmp/build"},
            directory="/app",
            user="0:0",
            accounts={},
            binds=[*self._of_image(image), static],
            tmpfs={"/tmp": "mode=1777"},
            is_read_only=True,
            drops_capabilities=False,
            gains_no_privileges=True,
        )
        built = self._run(plan, grace_seconds=1)
        self._go(built)
        assert built.process.wait(HEALTHY_WITHIN) == 0, built.said()

    def _start(self, service: Service) -> None:
        plan = self._plan(service, f"{service.name}-1", service.command)
        container = self.containers[service.name] = self._run(plan, grace_seconds=service.grace_seconds)
        own = self._addresses.connect(service, container.pid)
        self._name_everybody()
        self._go(container)
        for address, outer, inner in service.ports:
            command = [
                *WITH_US,
                sys.executable,
                "-m",
                "tests.ops.relay",
                f"{address}:{outer}",
                f"{own['outside']}:{inner}",
            ]
            self._relays.append(subprocess.Popen(command, cwd=ROOT))

    def _plan(self, service: Service, host_name: str, command: list[str]) -> Plan:
        hosts = self._directory / "hosts" / service.name
        hosts.touch()
        return Plan(
            root=str(self._root_of(host_name)),
            host_name=host_name,
            command=command,
            environment={"HOME": "/"} | service.environment,
            directory="/app" if service.image.is_ours else "/",
            user=service.user,
            accounts=service.image.accounts,
            binds=[
                *self._of_image(service.image),
                Bind(source=str(hosts), target="/etc/hosts"),
                *(self._bind(mount, service.image) for mount in service.mounts),
            ],
            tmpfs=service.tmpfs,
            is_read_only=service.is_read_only,
            drops_capabilities=service.drops_capabilities,
            gains_no_privileges=service.gains_no_privileges,
        )

    def _run(self, plan: Plan, *, grace_seconds: float) -> Container:
        log = self._directory / "logs" / plan.host_name
        with log.open("wb") as written:
            process = subprocess.Popen(
                [*WITH_US, "unshare", *NAMESPACES, sys.executable, "-m", "tests.ops.container"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            )
        container = Container(plan=plan, grace_seconds=grace_seconds, process=process, pid=0, log=log)
        self._tell(container, plan.text())
        assert process.stdout
        assert process.stdout.readline() == "there\n", container.said()
        container.pid = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
        return container

    def _go(self, container: Container) -> None:
        self._tell(container, "go")
        assert container.process.stdin
        assert container.process.stdout
        container.process.stdin.close()
        container.process.stdout.close()

    def _tell(self, container: Container, line: str) -> None:
        assert container.process.stdin
        container.process.stdin.write(f"{line}\n")
        container.process.stdin.flush()

    # --- Files --------------------------------------------------------------------------------------------------

    def _root_of(self, name: str) -> Path:
        place = self._directory / "roots" / name
        place.mkdir(exist_ok=True)
        return place

    def _of_image(self, image: Image) -> list[Bind]:
        environment, base = Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()
        binds = [Bind(source=str(environment), target=IN_THE_IMAGE if image.is_ours else ASIDE)]
        if not base.is_relative_to("/usr"):
            binds.append(Bind(source=str(base), target=str(base)))
        if image.is_ours:
            binds += [Bind(source=str(path), target=f"/app/{path.name}") for path in copied_by_the_dockerfile()]
            binds.append(Bind(source=str(self._directory / "staticfiles"), target="/app/staticfiles"))
        if image.script:
            binds.append(Bind(source=str(image.script), target=SCRIPT))
        return binds

    def _bind(self, mount: Mount, image: Image) -> Bind:
        source = Path(mount.source) if not mount.is_volume else self._volume(mount, image)
        return Bind(source=str(source), target=mount.target, is_read_only=mount.is_read_only)

    def _volume(self, mount: Mount, image: Image) -> Path:
        """A new one is as the directory of the image that it covers; where there is none, it is root's."""
        place = self._directory / "volumes" / mount.source
        if not place.exists():
            place.mkdir(mode=0o755)
            owner = image.directories.get(mount.target, 0)
            os.chown(place, owner, owner)
        return place

    # --- Names and health ---------------------------------------------------------------------------------------

    def _name_everybody(self) -> None:
        """For each the others of its networks. The files stay the same, since they are mounted already."""
        for name in self.containers:
            known = self._addresses.seen_by(name)
            lines = ["127.0.0.1 localhost", *(f"{address} {other}" for other, address in known.items())]
            (self._directory / "hosts" / name).write_text("".join(f"{line}\n" for line in lines))

    def _wait_for(self, name: str, condition: str) -> None:
        container, check = self.containers[name], self._deployment.services[name].healthcheck
        if condition == "service_completed_successfully":
            assert container.process.wait(HEALTHY_WITHIN) == 0, container.said()
            return

        def is_healthy() -> bool:
            container.must_run()
            return not check or container.run(*check).returncode == 0

        if condition == "service_healthy":
            assert check, f"{name} has no health check"
            wait_until(is_healthy, HEALTHY_WITHIN, every=0.5, what=f"the health of {name}")
        else:
            assert condition == "service_started", condition


class Addresses:
    """Networks as docker makes them: bridges, addresses in turn, and no way out of those that are internal."""

    def __init__(self, deployment: Deployment) -> None:
        self._networks = deployment.networks
        self._subnets = {
            name: ipaddress.IPv4Network(network.subnet or f"172.30.{number}.0/24")
            for number, (name, network) in enumerate(deployment.networks.items())
        }
        # By network, then by service.
        self._taken: dict[str, dict[str, str]] = {name: {} for name in deployment.networks}

    def make_bridges(self) -> None:
        for name, subnet in self._subnets.items():
            ip("link", "add", name, "type", "bridge")
            ip("address", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", name)
            ip("link", "set", name, "up")

    def connect(self, service: Service, pid: int) -> dict[str, str]:
        """Its addresses, by network."""
        ip("link", "set", "lo", "up", of=pid)
        for number, (name, fixed) in enumerate(service.networks.items()):
            subnet, taken = self._subnets[name], self._taken[name]
            address = fixed or self._next(name)
            assert address not in taken.values(), f"{address} of {service.name} is in use: {taken}"
            taken[service.name] = address
            outer = f"v{pid}-{number}"
            ip("link", "add", outer, "type", "veth", "peer", "name", f"eth{number}", "netns", str(pid))
            ip("link", "set", outer, "master", name, "up")
            ip("address", "add", f"{address}/{subnet.prefixlen}", "dev", f"eth{number}", of=pid)
            ip("link", "set", f"eth{number}", "up", of=pid)
        for name in service.networks:
            if not self._networks[name].is_internal:
                ip("route", "replace", "default", "via", str(self._subnets[name][1]), of=pid)
        return {name: self._taken[name][service.name] for name in service.networks}

    def forget(self) -> None:
        for taken in self._taken.values():
            taken.clear()

    def _next(self, name: str) -> str:
        subnet = self._subnets[name]
        pool = ipaddress.IPv4Network(self._networks[name].pool or subnet)
        used = {str(subnet[0]), str(subnet[1]), *self._taken[name].values()}
        return next(str(address) for address in pool if str(address) not in used)

    def seen_by(self, service: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for taken in self._taken.values():
            if service in taken:
                found |= taken
        return found


def copied_by_the_dockerfile() -> Iterator[Path]:
    """What .dockerignore leaves of the root."""
    patterns = (ROOT / ".dockerignore").read_text().split()
    ignored = [pattern for pattern in patterns if "/" not in pattern]
    for path in sorted(ROOT.iterdir()):
        if not any(path.match(pattern) for pattern in ignored):
            yield path
