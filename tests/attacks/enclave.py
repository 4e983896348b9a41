"""Two network namespaces and a wire between them: a world of public, internal and lying addresses, and, behind the
wire, the side that is attacked: the real guard and fork server, whose only way to the world is that wire.

`python -m tests.attacks.enclave world DIRECTORY`, under `unshare --net --mount`, starts the other side by itself.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.attacks import addresses, names, site

ROOT = Path(__file__).parents[2]
STRICT, LAX = "strict", "lax"  # the product's guard, and one that lets everything through: the proof of each attack
_LAX_RANGES = "0.0.0.0/0, ::/0"


def main() -> None:
    role, directory = sys.argv[1], Path(sys.argv[2])
    {"world": world, "inside": inside}[role](directory)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def world(directory: Path) -> None:
    command = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.attacks.enclave", "inside", str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "here\n"
        _wire(other.pid)
        _listen(Hits(directory / "hits"), site.Site(), (*addresses.PORTS, *addresses.CLOSED_PORTS))
        names.serve(addresses.RESOLVER)
        other.stdin.write("go\n")
        other.stdin.flush()
        print(other.stdout.readline(), end="", flush=True)
        sys.stdin.read()  # until the tests are over or gone
        other.stdin.close()
        other.terminate()


def _wire(other: int) -> None:
    ip("link", "add", "w0", "type", "veth", "peer", "name", "p0", "netns", str(other))
    ip("link", "set", "lo", "up")
    Path("/proc/sys/net/ipv6/conf/w0/accept_dad").write_text("0")
    ip("address", "add", f"{addresses.RESOLVER}/24", "dev", "w0")
    ip("-6", "address", "add", f"{addresses.GATEWAY_6}/64", "dev", "w0", "nodad")
    ip("link", "set", "w0", "up")
    ip("-6", "address", "add", "fe80::5/64", "dev", "w0", "nodad")
    for address in (*addresses.INTERNAL, addresses.PUBLIC, addresses.PUBLIC_6):
        if ":" in address:
            ip("-6", "address", "add", f"{address}/128", "dev", "lo", "nodad")
        else:
            ip("address", "add", f"{address}/32", "dev", "lo")


class Hits:
    """A connection to what nobody may reach, whatever it says: one line each, in a file that the tests read."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def note(self, place: str, address: str, port: int) -> None:
        self._file.write(json.dumps({"place": place, "address": address, "port": port}) + "\n")


def _listen(hits: Hits, served: site.Site | None, ports: tuple[int, ...]) -> None:
    for port in ports:
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            listener = socket.create_server((host, port), family=family, backlog=256)
            threading.Thread(target=_accept, args=(listener, hits, served), daemon=True).start()


def _accept(listener: socket.socket, hits: Hits, served: site.Site | None) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection, hits, served), daemon=True).start()


def _answer(connection: socket.socket, hits: Hits, served: site.Site | None) -> None:
    address, port = connection.getsockname()[:2]
    is_public = served is not None and address in {addresses.PUBLIC, addresses.PUBLIC_6} and port in addresses.PORTS
    if not is_public:
        hits.note("world" if served else "inside", address, port)
    with connection, suppress(OSError):
        connection.settimeout(10)
        (served or site.NOTHING).converse(connection)


def inside(directory: Path) -> None:
    print("here", flush=True)
    sys.stdin.readline()
    _settle(directory)
    _listen(Hits(directory / "hits"), None, addresses.PORTS)
    (directory / "reached").write_text(json.dumps(_reach_everything()))
    guards = {STRICT: _guard(directory, STRICT, {}), LAX: _guard(directory, LAX, {"EGRESS_ALLOW": _LAX_RANGES})}
    _start(directory, "forkserver", "--socket", str(directory / "forks"))
    _wait_for(directory / "forks")
    poster = _poster(directory)
    print(json.dumps(guards), flush=True)
    sys.stdin.read()
    poster.kill()
    os._exit(0)  # guard and fork server follow: their parent-death signal


def _poster(directory: Path) -> subprocess.Popen[bytes]:
    """It takes seconds to load; whoever asks it waits for its socket."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "mediadl.settings",
        "MEDIADL_TESTING": "1",
        "DATA_DIR": str(directory / "django"),
    }
    with (directory / "poster.log").open("wb") as file:
        command = [sys.executable, "-m", "tests.attacks.poster", str(directory / "posts")]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=file, stderr=file)


def _settle(directory: Path) -> None:
    ip("link", "set", "lo", "up")
    Path("/proc/sys/net/ipv6/conf/p0/accept_dad").write_text("0")
    ip("address", "add", f"{addresses.INSIDE}/24", "dev", "p0")
    ip("-6", "address", "add", f"{addresses.INSIDE_6}/64", "dev", "p0", "nodad")
    ip("link", "set", "p0", "up")
    ip("route", "add", "default", "via", addresses.RESOLVER)
    ip("-6", "route", "add", "default", "via", addresses.GATEWAY_6)
    resolv = directory / "resolv.conf"
    resolv.write_text(f"nameserver {addresses.RESOLVER}\noptions timeout:2 attempts:1\n")
    hosts = directory / "hosts"
    hosts.write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
    nsswitch = directory / "nsswitch.conf"
    nsswitch.write_text("hosts: files dns\n")
    for mine in (resolv, hosts, nsswitch):
        subprocess.run(["mount", "--bind", str(mine), str(Path("/etc", mine.name).resolve())], check=True)


def _reach_everything() -> list[str]:
    """What a program without a guard reaches from here: the canaries live."""
    reached = []
    for address in (*addresses.INTERNAL, *addresses.OWN, addresses.PUBLIC, addresses.PUBLIC_6, "::ffff:10.0.0.5"):
        with suppress(OSError), socket.create_connection((address, 80), timeout=3):
            reached.append(address)
    return reached


def _guard(directory: Path, name: str, environment: dict[str, str]) -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    descriptor = listener.fileno()
    _start(directory, "guard", "--fd", str(descriptor), descriptors=(descriptor,), log=name, **environment)
    listener.close()
    return port


def _start(
    directory: Path, module: str, *arguments: str, descriptors: tuple[int, ...] = (), log: str = "", **environment: str
) -> None:
    with (directory / f"{module}{log}.log").open("wb") as file:
        subprocess.Popen(
            [sys.executable, "-m", f"downloads.engine.{module}", *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "LOG_LEVEL": "INFO", **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=descriptors,
        )


def _wait_for(path: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} did not appear")
        time.sleep(0.05)


def read_hits(directory: Path) -> list[dict[str, Any]]:
    path = directory / "hits"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    main()
