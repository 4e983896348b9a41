"""The inside of a container, without an engine: `python -m tests.ops.container` reads its plan from standard input.

It is the first process of namespaces of its own. It builds a root of what the image has and the plan mounts, says that
it is there, waits for its network, and becomes the command, without a right that the plan does not leave it.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

# What every image has, of this machine's Debian.
SYSTEM = ("bin", "lib", "lib32", "lib64", "sbin", "usr")
OF_ETC = ("alternatives", "ld.so.cache", "localtime", "nginx/mime.types", "ssl")
DEVICES = ("full", "null", "random", "urandom", "zero")
# As docker mounts what a service wants in memory.
TMPFS = "noexec,nosuid,nodev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    source: str
    target: str
    is_read_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is not JSON by itself is not in it."""

    root: str
    host_name: str
    command: list[str]
    environment: dict[str, str]
    directory: str
    user: str
    accounts: dict[str, int]
    binds: list[Bind]
    tmpfs: dict[str, str]
    is_read_only: bool
    drops_capabilities: bool
    gains_no_privileges: bool

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Plan:
        given = json.loads(text)
        return cls(**given | {"binds": [Bind(**bind) for bind in given["binds"]]})

    def as_user(self, command: list[str]) -> list[str]:
        """`command` with the rights that the container leaves."""
        user, _, group = self.user.partition(":")
        uid = self.accounts.get(user, user)
        limits = ["--bounding-set=-all", "--inh-caps=-all"] if self.drops_capabilities else []
        limits += ["--no-new-privs"] if self.gains_no_privileges else []
        # Whoever becomes another user is no longer killed with its parent, unless it asks for that afterwards.
        who = [f"--reuid={uid}", f"--regid={group or uid}", "--clear-groups", "--pdeathsig=KILL"]
        return ["setpriv", *who, *limits, "--", *command]


def main() -> None:
    plan = Plan.read(sys.stdin.readline())
    root = Path(plan.root)
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", root)
    system(root)
    etc(root / "etc", plan)
    devices(root / "dev")
    places = [(bind.target, bind) for bind in plan.binds] + list(plan.tmpfs.items())
    # What lies within another place comes after it.
    for target, what in sorted(places, key=lambda place: place[0].count("/")):
        place = root / target.lstrip("/")
        if isinstance(what, Bind):
            bound(Path(what.source), place, is_read_only=what.is_read_only)
        else:
            place.mkdir(parents=True, exist_ok=True)
            mount("-t", "tmpfs", "-o", ",".join(filter(None, (TMPFS, what))), "tmpfs", place)
    if plan.is_read_only:
        mount("-o", "remount,bind,ro", root)
    socket.sethostname(plan.host_name)
    print("there", flush=True)
    if not sys.stdin.readline():
        return
    os.chroot(root)
    os.chdir(plan.directory)
    sys.stdout.flush()
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    os.dup2(2, 1)
    command = plan.as_user(plan.command)
    os.execvpe(command[0], command, plan.environment)


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def bound(source: Path, place: Path, *, is_read_only: bool = True) -> None:
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    mount("--bind", source, place)
    if is_read_only:
        mount("-o", "remount,bind,ro", place)


def system(root: Path) -> None:
    for name in SYSTEM:
        original = Path("/") / name
        if original.is_symlink():
            (root / name).symlink_to(original.readlink())
        elif original.is_dir():
            bound(original, root / name)
    (root / "proc").mkdir()
    mount("-t", "proc", "-o", "nosuid,noexec,nodev", "proc", root / "proc")
    (root / "sys").mkdir()
    mount("-t", "sysfs", "-o", "ro,nosuid,noexec,nodev", "sysfs", root / "sys")


def etc(place: Path, plan: Plan) -> None:
    place.mkdir()
    for name in OF_ETC:
        if (original := Path("/etc") / name).exists():
            bound(original, place / name)
    accounts = {"root": 0, **plan.accounts, "nobody": 65534}
    (place / "passwd").write_text("".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in accounts.items()))
    (place / "group").write_text("".join(f"{name}:x:{gid}:\n" for name, gid in accounts.items()))
    (place / "nsswitch.conf").write_text("hosts: files\n")


def devices(place: Path) -> None:
    place.mkdir()
    mount("-t", "tmpfs", "-o", "mode=0755,nosuid", "tmpfs", place)
    for name in DEVICES:
        (place / name).touch()
        mount("--bind", f"/dev/{name}", place / name)
    for name, descriptor in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        (place / name).symlink_to(f"/proc/self/fd{descriptor}")
    (place / "shm").mkdir()


if __name__ == "__main__":
    main()
