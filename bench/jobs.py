"""One clip from submit to completed, a hundred of them, a burst of submissions; beside yt-dlp in this process."""

from __future__ import annotations

import json
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any, NoReturn

import yt_dlp

from bench.stand import databases, line, stand, timed
from tests.origin import Origin
from tests.product import API_KEY, Product

CLIPS = 30
BURST = 40
POLL_SECONDS = 0.02
HEADERS = {"X-API-Key": API_KEY, "Content-Type": "application/json"}


def main() -> None:
    for database in databases():
        with stand(database) as (product, origin):
            warm_up(product, origin)
            one_by_one(product, origin, database)
            hundred(product, origin, database)
            burst(product, origin, database)


def warm_up(product: Product, origin: Origin) -> None:
    for _ in range(3):
        product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"])


def one_by_one(product: Product, origin: Origin, database: str) -> None:
    ours, plain = [], []
    for _ in range(CLIPS):
        ours.append(timed(lambda: complete(product, origin.url("/clip.mp4"))))
        plain.append(timed(lambda: in_process(origin.url("/clip.mp4"))))
    print(line(f"{database}: submit → completed, 158 kB", ours))
    print(line("   yt-dlp in this process, no queue", plain))


def complete(product: Product, url: str) -> None:
    job_id = product.submit(url)["request_id"]
    while product.job(job_id)["status"] not in {"completed", "failed"}:
        time.sleep(POLL_SECONDS)


def in_process(url: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        options: dict[str, Any] = {"quiet": True, "outtmpl": f"{directory}/x.%(ext)s", "noprogress": True, "proxy": ""}
        with yt_dlp.YoutubeDL(options) as downloader:
            downloader.download([url])


def hundred(product: Product, origin: Origin, database: str) -> None:
    began = time.perf_counter()
    ids = {product.submit(origin.url(f"/item/{number}.mp4"))["request_id"] for number in range(100)}
    submitted = time.perf_counter() - began
    while product.api.get("/stats").json()["jobs_by_status"]["completed"] < 100 + CLIPS + 3:
        time.sleep(0.05)
        if time.perf_counter() - began > 120:
            break
    took = time.perf_counter() - began
    statuses = [product.job(job_id)["status"] for job_id in ids]
    done = statuses.count("completed")
    print(f"{database}: 100 jobs, 4 slots: {took:.2f} s ({done} completed; submitting took {submitted:.2f} s)")


def burst(product: Product, origin: Origin, database: str) -> None:
    """On connections that are open already, by one thread without a library: the time is the server's and not ours."""
    body = json.dumps({"url": origin.url("/clip.mp4")}).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in (HEADERS | {"Content-Length": str(len(body))}).items())
    request = f"POST /api/v1/download HTTP/1.1\r\nHost: 127.0.0.1:{product.port}\r\n{head}\r\n".encode() + body
    before = cpu_seconds(product, "mediadl: web")
    answers = all_at_once(product.port, request)
    spent = (cpu_seconds(product, "mediadl: web") - before) / BURST
    refused = sum(not answer.startswith(b"HTTP/1.1 201") for _, answer in answers)
    print(line(f"{database}: submit, {BURST} at once ({refused} refused)", [seconds for seconds, _ in answers]))
    print(f"   processor time of the web process: {spent * 1000:.1f} ms each")


def all_at_once(port: int, request: bytes) -> list[tuple[float, bytes]]:
    """How long after the first was sent each answer began to arrive, and its beginning."""
    with ExitStack() as stack, DefaultSelector() as selector:
        for _ in range(BURST):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(client, EVENT_READ)
        time.sleep(0.5)
        began, answers = time.perf_counter(), list[tuple[float, bytes]]()
        for client in selector.get_map().values():
            client.fileobj.sendall(request)
        while len(answers) < BURST:
            for key, _ in selector.select(30) or unanswered(BURST - len(answers)):
                answers.append((time.perf_counter() - began, key.fileobj.recv(65536)))
                selector.unregister(key.fileobj)
    return answers


def unanswered(count: int) -> NoReturn:
    raise TimeoutError(f"{count} submissions were not answered")


def cpu_seconds(product: Product, title: str) -> float:
    """Of all processes of this title."""
    return sum(run_seconds(pid) for pid, command in product.pids().items() if command == title)


def run_seconds(pid: int) -> float:
    """To the nanosecond, over all threads; /proc/PID/stat counts ticks of 10 ms."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


if __name__ == "__main__":
    main()
