"""How fast bytes go through the egress guard, beside the same bytes without it, and what it weighs when idle.

Run `python -m bench.guard [MEGABYTES] [ROUNDS]`. Direct and guarded runs alternate, so that both see the same machine.
Origin, guard and client share its cores and the direct run copies less: the ratio to an unlimited reader is the price
of a relay on loopback, the ratio at 500 MB/s is what a download could notice.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = os.urandom(1 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    bytes_per_second: float
    guard_cpu_seconds: float


def serve(listener: socket.socket, total: int) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=answer, args=(client, total), daemon=True).start()


def answer(client: socket.socket, total: int) -> None:
    with contextlib.suppress(OSError), client:
        chunked = b"/chunked" in client.recv(65536)
        if chunked:
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"4000\r\n" + BLOCK[:0x4000] + b"\r\n"
            batch = chunk * 64
            for _ in range(total >> 20):
                client.sendall(batch)
            client.sendall(b"0\r\n\r\n")
            return
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total >> 20):
            client.sendall(BLOCK)


def read_all(port: int, request: bytes, tunnel: bytes, limit: float | None) -> float:
    """Bytes a second, as a raw reader sees them; `limit` makes it wait like a client of that speed."""
    buffer = bytearray(1 << 20)
    seen = 0
    with socket.create_connection(("127.0.0.1", port)) as client:
        started = time.perf_counter()
        if tunnel:
            client.sendall(tunnel)
            client.recv(4096)
        client.sendall(request)
        while count := client.recv_into(buffer):
            seen += count
            ahead = seen / limit - (time.perf_counter() - started) if limit else 0
            if ahead > 0.001:
                time.sleep(ahead)
        return seen / (time.perf_counter() - started)


@contextlib.contextmanager
def origin(total: int) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if not child:
        serve(listener, total)
    try:
        yield listener.getsockname()[1]
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        listener.close()


@contextlib.contextmanager
def guard(origin_port: int) -> Iterator[tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "downloads.engine.guard", "--fd", str(listener.fileno())]
        environment = os.environ | {"EGRESS_ALLOW": f"127.0.0.1:{origin_port}"}
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], env=environment, stderr=subprocess.DEVNULL)
        try:
            yield listener.getsockname()[1], process.pid
        finally:
            process.terminate()
            process.wait(5)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def proportional_kilobytes(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.partition("Pss:")[2].split()[0])


def measured(pid: int, work: Callable[[], float]) -> Run:
    before = cpu_seconds(pid)
    speed = work()
    return Run(bytes_per_second=speed, guard_cpu_seconds=cpu_seconds(pid) - before)


def report(name: str, runs: list[Run], direct: list[Run], total: int) -> None:
    speed = statistics.median(run.bytes_per_second for run in runs)
    ratio = statistics.median(a.bytes_per_second / b.bytes_per_second for a, b in zip(runs, direct, strict=True))
    cpu = statistics.median(run.guard_cpu_seconds for run in runs) / (total / 1e9)
    print(f"{name:<24} {speed / 1e6:7.0f} MB/s   {ratio:5.2f} x direct   {cpu:5.2f} s of guard CPU a GB")


def main() -> None:
    total = (int(sys.argv[1]) if len(sys.argv) > 1 else 1024) << 20
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with origin(total) as port, guard(port) as (proxy, pid):
        time.sleep(1)
        print(f"idle: {proportional_kilobytes(pid) / 1024:.1f} MB PSS")
        request = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        url = b"http://127.0.0.1:%d" % port
        tunnel = b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\n\r\n" % port
        ways: dict[str, tuple[int, bytes, bytes, float | None]] = {
            "direct": (port, request % b"/", b"", None),
            "absolute-URI": (proxy, request % (url + b"/"), b"", None),
            "CONNECT": (proxy, request % b"/", tunnel, None),
            "chunked": (proxy, request % (url + b"/chunked"), b"", None),
            "direct, 500 MB/s": (port, request % b"/", b"", 5e8),
            "absolute-URI, 500 MB/s": (proxy, request % (url + b"/"), b"", 5e8),
            "CONNECT, 500 MB/s": (proxy, request % b"/", tunnel, 5e8),
        }
        runs: dict[str, list[Run]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                runs[name].append(measured(pid, lambda way=way: read_all(*way)))
        for name, found in runs.items():
            report(name, found, runs["direct, 500 MB/s" if "500" in name else "direct"], total)
        print(f"afterwards: {proportional_kilobytes(pid) / 1024:.1f} MB PSS")


if __name__ == "__main__":
    main()
