"""What sending a file through the ASGI layers costs, beside a plain read, `http.server` and nginx where there is one.

    python -m bench.files [--size MIB] [--clients 1 20] [--rounds 3]

All rows of a round are measured one after the other, so that they share the machine's mood. CPU is the server's own.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.product import free_port, wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
TICKS = os.sysconf("SC_CLK_TCK")
# As ops/nginx.conf sends them, once mediadl has said which.
NGINX_CONF = """
master_process off; daemon off; pid nginx.pid; error_log stderr;
events {{}}
http {{
    access_log off; sendfile on; client_body_temp_path body; proxy_temp_path proxy;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
PORT = re.compile(r"port (\d+)|127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    megabytes_per_second: float
    cpu_seconds_per_gigabyte: float
    peak_memory_mib: float


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_memory_mib(pid: int) -> float:
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(match[1]) / 1024 if match else 0.0


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[tuple[int, int]]:
    """The server's pid and port."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            yield process.pid, port_in(log, process)
        finally:
            process.kill()
            process.wait()


def port_in(log: object, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        text = os.pread(log.fileno(), 65536, 0).decode()  # type: ignore[attr-defined]
        if match := PORT.search(text):
            return int(match[1] or match[2])
        time.sleep(0.02)
    raise SystemExit("the server did not start")


def fetch(url: str, clients: int, size: int, pid: int) -> Figure:
    before, begin = cpu_seconds(pid), time.monotonic()
    curls = [subprocess.Popen(["curl", "-sSf", "-o", "/dev/null", url]) for _ in range(clients)]
    if any(curl.wait() for curl in curls):
        raise SystemExit("curl failed")
    elapsed, gigabytes = time.monotonic() - begin, clients * size / 1e9
    return Figure(
        megabytes_per_second=gigabytes * 1000 / elapsed,
        cpu_seconds_per_gigabyte=(cpu_seconds(pid) - before) / gigabytes,
        peak_memory_mib=peak_memory_mib(pid),
    )


def read_plainly(root: Path, clients: int, size: int) -> Figure:
    """No server: the same bytes read 256 KB at a time, as often as there are clients."""
    before, begin = time.process_time(), time.monotonic()
    for _ in range(clients):
        with (root / "file").open("rb", buffering=0) as file:
            while file.read(256 * 1024):
                pass
    gigabytes = clients * size / 1e9
    return Figure(
        megabytes_per_second=gigabytes * 1000 / (time.monotonic() - begin),
        cpu_seconds_per_gigabyte=(time.process_time() - before) / gigabytes,
        peak_memory_mib=0.0,
    )


def layers(root: Path, clients: int, size: int) -> Figure:
    command = [sys.executable, "-m", "uvicorn", "tests.asgi.site:application", "--port", "0", "--no-access-log"]
    with running(command, SITE_ROOT=str(root)) as (pid, port):
        return fetch(f"http://127.0.0.1:{port}/files/file", clients, size, pid)


def http_server(root: Path, clients: int, size: int) -> Figure:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(root)]
    with running(command) as (pid, port):
        return fetch(f"http://127.0.0.1:{port}/file", clients, size, pid)


def nginx(root: Path, clients: int, size: int) -> Figure:
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        written = Path(directory) / "nginx.conf"
        written.write_text(NGINX_CONF.format(port=port, root=root))
        # nginx does not say its port.
        script = f"echo port {port}; exec {NGINX} -p {directory} -c {written}"
        with running(["sh", "-c", script]) as (pid, _):
            wait_until(lambda: _listens(port), 10)
            return fetch(f"http://127.0.0.1:{port}/file", clients, size, pid)


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


ROWS: dict[str, Callable[[Path, int, int], Figure]] = {
    "plain read": read_plainly,
    "http.server": http_server,
    "mediadl.asgi": layers,
    **({"nginx": nginx} if NGINX else {}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    size = options.size * 1024 * 1024
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "files"
        root.mkdir()
        with (root / "file").open("wb") as file:
            for _ in range(options.size):
                file.write(os.urandom(1024 * 1024))
        for clients in options.clients:
            report(clients, root, size, options.rounds)


def report(clients: int, root: Path, size: int, rounds: int) -> None:
    figures: dict[str, list[Figure]] = {name: [] for name in ROWS}
    for _ in range(rounds):
        for name, measure in ROWS.items():
            figures[name].append(measure(root, clients, size))
    print(f"\n{clients} clients, median of {rounds}:  MB/s   CPU s/GB   peak MiB")
    for name, row in figures.items():
        speed = statistics.median(figure.megabytes_per_second for figure in row)
        cpu = statistics.median(figure.cpu_seconds_per_gigabyte for figure in row)
        memory = max(figure.peak_memory_mib for figure in row)
        print(f"  {name:<22} {speed:8.0f} {cpu:10.2f} {memory:10.0f}")


if __name__ == "__main__":
    main()
