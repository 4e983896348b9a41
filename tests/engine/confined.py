"""Deeds that a child tries inside its sandbox, the forbidden and the needed; each returns what came of it.

The spec's URL is the deed's name; its arguments are the query, a list of strings in JSON.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from downloads.engine.spec import Event, JobSpec

_libc = ctypes.CDLL(None, use_errno=True)


def run(spec: JobSpec, emit: Callable[[Event], None]) -> int:
    name, _, query = spec.url.rpartition("/")[2].partition("?")
    try:
        outcome = {"result": globals()[name](*json.loads(unquote(query)))}
    except OSError as error:
        outcome = {"result": errno.errorcode.get(error.errno or 0, repr(error))}
    except MemoryError:
        outcome = {"result": "MemoryError"}
    emit(Event(name="log", data=outcome))
    return 0


def _call(number: int, *arguments: int) -> int:
    result = _libc.syscall(*map(ctypes.c_long, (number, *arguments)))
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return int(result)


# Files


def reads(path: str) -> str:
    return f"{len(Path(path).read_bytes())} bytes"


def lists(path: str) -> str:
    return f"{len(list(Path(path).iterdir()))} entries"


def writes(path: str) -> str:
    Path(path).write_text("x")
    return "written"


def appends(path: str) -> str:
    with Path(path).open("r+b") as file:
        file.write(b"x")
    return "written"


def removes(path: str) -> str:
    Path(path).unlink()
    return "removed"


def truncates(path: str) -> str:
    os.truncate(path, 0)
    return "truncated"


def links(source: str, target: str) -> str:
    os.link(source, target)
    return "linked"


def links_symbolically(source: str, target: str) -> str:
    Path(target).symlink_to(source)
    return "linked"


def executes_what_it_wrote() -> str:
    Path("tool").write_text("#!/bin/sh\necho ran\n")
    Path("tool").chmod(0o700)
    return subprocess.check_output(["./tool"], text=True).strip()


def works_in_its_directory() -> str:
    Path("a/b").mkdir(parents=True)
    Path("a/b/part").write_text("12345")
    os.truncate("a/b/part", 3)
    Path("a/b/part").rename("whole")
    text = Path("whole").read_text()
    Path("whole").unlink()
    Path("a/b").rmdir()
    return f"{text} {list(Path('a').iterdir())}"


# The network


def connects(host: str, port: str) -> str:
    with socket.create_connection((host, int(port)), timeout=2):
        return "connected"


def opens_by_sending(host: str, port: str) -> str:
    """TCP Fast Open: the first bytes make the connection, and connect() is never called."""
    with socket.socket() as stream:
        stream.sendto(b"hello", socket.MSG_FASTOPEN, (host, int(port)))
        return "sent"


def listens() -> str:
    with socket.socket() as stream:
        stream.listen()
        return "listening"


def binds() -> str:
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        return "bound"


def makes_a_socket(family: str, kind: str, protocol: str) -> str:
    with socket.socket(getattr(socket, family), getattr(socket, kind), int(protocol)):
        return "made"


def makes_a_pair(kind: str) -> str:
    first, second = socket.socketpair(socket.AF_UNIX, getattr(socket, kind))
    with first, second:
        return "made"


# System calls, by name and number


def calls(number: str, *arguments: str) -> str:
    return f"returned {_call(int(number), *map(int, arguments))}"


def calls_each(*numbers: str) -> list[str]:
    return [_outcome(int(number)) for number in numbers]


def _outcome(number: int) -> str:
    try:
        return f"returned {_call(number, 0, 0, 0, 0)}"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def raises_its_limits() -> str:
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except ValueError:  # Python's word for EPERM here
        return "EPERM"
    return "raised"


def gets_memory(size: str) -> str:
    mmap.mmap(-1, int(size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    return "got"


def writes_much(size: str) -> str:
    with Path("big").open("wb") as file:
        file.truncate(int(size))
    return "written"


def opens_many_files() -> str:
    held: list[int] = []
    try:
        while len(held) < 5000:
            held.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for descriptor in held:
            os.close(descriptor)
    return "opened"


def signals(process: str) -> str:
    os.kill(int(process), 0)
    return "signalled"


def leaves_its_group() -> str:
    os.setsid()
    return "left"


def runs(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return f"{done.returncode} {done.stdout.strip()}{done.stderr.strip()[-300:]}"


# What a download needs


def fetches(url: str, proxy: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
    with opener.open(url, timeout=5) as response:
        return str(response.read().decode())


def fetches_like_a_browser(url: str, proxy: str) -> str:
    from curl_cffi import requests

    return str(requests.get(url, proxies={"http": proxy}, impersonate="chrome", timeout=5).text)


def trusts_authorities() -> bool:
    return ssl.create_default_context().cert_store_stats()["x509_ca"] > 10


def threads_and_processes() -> str:
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        total = sum(pool.map(lambda _: subprocess.run(["true"], check=True).returncode, range(8)))
    return f"{total}"


def makes_and_converts_media(ffmpeg: str) -> list[str]:
    encode = [ffmpeg, "-v", "error", "-y"]
    sources = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-f", "lavfi", "-i", "sine=d=1"]
    steps = [
        [*encode, *sources[:4], "-c:v", "libx264", "video.mp4"],
        [*encode, *sources[4:], "-c:a", "aac", "audio.m4a"],
        [*encode, "-i", "video.mp4", "-i", "audio.m4a", "-c", "copy", "-movflags", "+faststart", "merged.mp4"],
        [*encode, "-i", "merged.mp4", "-c:v", "libvpx", "-c:a", "libopus", "recoded.webm"],
        [*encode, "-i", "merged.mp4", "-vn", "sound.mp3"],
        [*encode, "-i", "video.mp4", "-frames:v", "1", "cover.jpg"],
        [
            *encode,
            "-i",
            "merged.mp4",
            "-i",
            "cover.jpg",
            "-map",
            "0",
            "-map",
            "1",
            "-c",
            "copy",
            "-disposition:v:1",
            "attached_pic",
            "covered.mp4",
        ],
    ]
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            return [done.stderr]
    return sorted(path.name for path in Path().iterdir() if path.is_file() and path.stat().st_size)
