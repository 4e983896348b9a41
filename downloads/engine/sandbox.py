"""The walls around a child: what it and everything it starts may read, write, reach and use.

Entered once, after the fork and before yt-dlp sees anything remote; there is no way back out. Measured: ffmpeg,
curl_cffi and deno need nothing of /proc, /sys, /etc/passwd, Unix sockets or UDP.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from downloads.engine import landlock, linux, rlimits, seccomp
from downloads.engine.spec import Limits

Level = Literal["full", "partial", "off"]

_NO_LANDLOCK = "Landlock is not available: files outside the job's directory are not protected (Linux 5.13 or later)"
_NO_TCP = "Landlock cannot restrict TCP: children could go around the egress guard (Linux 6.7 or later)"
_NO_SCOPES = "Landlock cannot scope signals: children could signal the user's other processes (Linux 6.12 or later)"
_NO_SECCOMP = "System calls are not filtered: seccomp is not available"
_OFF = "The sandbox is switched off"

# Never a parent of where applications keep their data, such as /usr/local or /usr/src; no private keys below /etc.
_SYSTEM = (
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/share",
    "/usr/local/share",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ca-certificates",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
)
_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
_KEPT_CAPABILITIES = 1 << 1  # CAP_DAC_OVERRIDE: root in a container may not own the volume it writes to


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxState:
    """'full' is all of the promised walls; `reasons` says what is missing or could still be better."""

    level: Level
    reasons: tuple[str, ...] = ()


OFF = SandboxState(level="off", reasons=(_OFF,))


def probe() -> SandboxState:
    """What this kernel would give a child; changes nothing and costs microseconds."""
    return _state(landlock.abi(), has_seccomp=seccomp.is_available(), faults=())


def enter(*, work_directory: str, guard_port: int | None, limits: Limits, readable: Iterable[str] = ()) -> SandboxState:
    """Confine this process, of one thread, for good. What fails is a reason in the result, never an exception."""
    work = str(Path(work_directory).resolve())
    files = _paths(work, readable)
    faults = _exposed(work, [path for path, _ in files[:-1]])
    version = landlock.abi()
    ports = () if guard_port is None else (guard_port,)
    _attempt("resource limits", lambda: rlimits.enter(limits), faults)
    _attempt("privileges", _drop_privileges, faults)
    if version:
        _attempt("Landlock", lambda: landlock.restrict(paths=files, tcp_ports=ports), faults)
    has_seccomp = seccomp.is_available()
    if has_seccomp:
        _attempt("seccomp", seccomp.restrict, faults)
    return _state(version, has_seccomp=has_seccomp, faults=tuple(faults))


def _attempt(what: str, step: Callable[[], None], faults: list[str]) -> None:
    try:
        step()
    except (OSError, ValueError) as error:
        faults.append(f"The sandbox could not set {what}: {error}")


def _state(version: int, *, has_seccomp: bool, faults: tuple[str, ...]) -> SandboxState:
    missing = [_NO_LANDLOCK] if not version else [_NO_TCP] if version < landlock.TCP_ABI else []
    missing += [] if has_seccomp else [_NO_SECCOMP]
    missing += faults
    if not version and not has_seccomp:
        return SandboxState(level="off", reasons=tuple(missing))
    notes = [_NO_SCOPES] if 0 < version < landlock.SCOPE_ABI else []
    return SandboxState(level="partial" if missing else "full", reasons=(*missing, *notes))


def _exposed(work_directory: str, readable: Iterable[str]) -> list[str]:
    """Landlock only ever grants: a directory of programs above the data shows the data."""
    return [
        f"The work directory lies inside {path}, which children may read"
        for path in readable
        if f"{work_directory}/".startswith(f"{path}/")
    ]


def _drop_privileges() -> None:
    linux.forbid_new_privileges()
    if os.geteuid() == 0:
        linux.keep_capabilities(_KEPT_CAPABILITIES)


def _paths(work_directory: str, readable: Iterable[str]) -> list[tuple[str, int]]:
    return [
        *((path, landlock.READ_AND_EXECUTE) for path in (*_programs(), *readable)),
        ("/dev/null", landlock.DEVICE),
        ("/dev/urandom", landlock.READ),
        (work_directory, landlock.WORK),
    ]


@cache
def _programs() -> tuple[str, ...]:
    """The directories and files that every child may read and execute: none that exists twice or inside another."""
    certificates = [os.environ[name] for name in _CERTIFICATE_VARIABLES if name in os.environ]
    paths = sorted({Path(path).resolve() for path in (*_SYSTEM, *_python(), *certificates)})
    outermost: list[Path] = []
    for path in filter(Path.exists, paths):
        if not any(path.is_relative_to(other) for other in outermost):
            outermost.append(path)
    return tuple(map(str, outermost))


def _python() -> set[str]:
    """Where this interpreter, its packages and the libraries it has loaded live, wherever they were installed."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    paths |= {sys.executable, str(Path(__file__).parent)}
    paths.add(str(Path(sys.prefix, "pyvenv.cfg")))
    maps = Path("/proc/self/maps").read_text().splitlines()
    loaded = {line.split(None, 5)[-1] for line in maps if ".so" in line}
    paths |= {str(Path(path).parent) for path in loaded if path.startswith("/")}
    return paths


def warm() -> None:
    """Look up in the fork server what every child would look up again."""
    _programs()
    seccomp.code()
