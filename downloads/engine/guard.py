"""The egress guard, the one way out for downloads and webhooks: a forward proxy on loopback, plain HTTP and CONNECT.

It resolves a name once, refuses unless every answer is public or allowed, and connects to what it judged. Run it as
`python -m downloads.engine.guard --fd N` with a listening socket, or `--port N`; its policy is EGRESS_ALLOW,
EGRESS_PORTS and EGRESS_DOMAINS_BLOCKED. `--off-loopback` is for a network of its own that only workers are on.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from downloads.engine import loglines
from downloads.engine.addresses import verdict
from downloads.engine.guard_answers import BUSY
from downloads.engine.guard_dial import Dialer, Resolve
from downloads.engine.guard_exchange import GuardLimits, Shared
from downloads.engine.guard_policy import Policy
from downloads.engine.guard_relay import Relay, Wire
from downloads.engine.guard_session import Session
from downloads.engine.guard_stats import Stats
from downloads.engine.linux import set_parent_death_signal

BACKLOG = 1024
STOP_SECONDS = 0.5
FILES_BESIDE_CONNECTIONS = 128

log = logging.getLogger("mediadl.guard")


class Guard:
    def __init__(
        self,
        policy: Policy,
        *,
        limits: GuardLimits | None = None,
        stats: Stats | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._limits = limits or GuardLimits()
        self._stats = stats or Stats()
        self._shared = Shared(dialer=Dialer(policy, resolve), relay=Relay(), stats=self._stats, limits=self._limits)
        self._sessions: dict[asyncio.Task[None], Session] = {}

    async def serve(self, listener: socket.socket) -> None:
        """Until cancelled; then all connections end at once."""
        listener.setblocking(False)  # noqa: FBT003 - positional only
        sweeper = asyncio.create_task(self._sweep_for_ever())
        try:
            await self._accept_for_ever(listener)
        finally:
            listener.close()
            sweeper.cancel()
            await self._end_sessions()
            self._save_stats()

    async def _accept_for_ever(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, _ = await loop.sock_accept(listener)
                self._admit(connected)
            except OSError as error:  # out of files, or the client has gone already
                log.warning("accept_failed", extra={"reason": error.strerror})
                await asyncio.sleep(0.1)

    def _admit(self, connected: socket.socket) -> None:
        if len(self._sessions) >= self._limits.max_connections:
            self._turn_away(connected)
            return
        session = Session(Wire(connected), self._shared)
        task = asyncio.create_task(session.run())
        self._sessions[task] = session
        self._stats.connections += 1
        task.add_done_callback(self._forget)

    def _turn_away(self, connected: socket.socket) -> None:
        self._stats.note_refused(BUSY, None)
        with suppress(OSError), connected:
            connected.setblocking(False)  # noqa: FBT003 - positional only
            connected.send(BUSY.serialized())

    def _forget(self, task: asyncio.Task[None]) -> None:
        session = self._sessions.pop(task)
        self._stats.relayed_bytes += session.sweep(0)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session_crashed", extra={"reason": type(error).__name__})

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._limits.sweep_seconds)
            for task, session in self._sessions.items():
                self._stats.relayed_bytes += session.sweep(self._limits.sweep_seconds)
                if session.is_idle:
                    task.cancel()
            self._save_stats()

    def _save_stats(self) -> None:
        self._stats.open_connections = len(self._sessions)
        self._stats.save()

    async def _end_sessions(self) -> None:
        for task in self._sessions:
            task.cancel()
        if self._sessions:
            await asyncio.wait(list(self._sessions), timeout=STOP_SECONDS)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    set_parent_death_signal(signal.SIGKILL)
    stats = Stats(options.stats)
    try:
        loglines.to_stderr(options.log_format, os.environ.get("LOG_LEVEL", "INFO"))
        policy = Policy.from_environment(os.environ)
        listener = _listener(options)
        if options.metrics_port is not None:
            _serve_metrics(stats, options)
    except (OSError, ValueError) as error:
        sys.exit(f"guard: {error}")
    limits = GuardLimits(max_connections=min(GuardLimits().max_connections, _room_for_connections()))
    guard = Guard(policy, limits=limits, stats=stats)
    log.info("guard_listening", extra={"address": "{}:{}".format(*listener.getsockname())})
    asyncio.run(_serve_until_told(guard, listener))


def _serve_metrics(stats: Stats, options: argparse.Namespace) -> None:
    from downloads.engine import guard_metrics  # noqa: PLC0415 - 5 MB, and most guards are asked for none

    guard_metrics.serve(stats, options.host, options.metrics_port)


async def _serve_until_told(guard: Guard, listener: socket.socket) -> None:
    serving = asyncio.create_task(guard.serve(listener))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m downloads.engine.guard", description="The egress guard.")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--fd", type=int, help="a listening socket inherited from the parent")
    place.add_argument("--port", type=int, help="0 for any free one, named in the log")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    parser.add_argument("--off-loopback", action="store_true", help="any address: whoever reaches it may use it")
    parser.add_argument("--log-format", choices=loglines.FORMATS, default="console")
    parser.add_argument("--metrics-port", type=int, help="answers Prometheus at /metrics, on the same address")
    parser.add_argument("--stats", type=Path, help="a JSON file to keep the counters in")
    return parser


def _listener(options: argparse.Namespace) -> socket.socket:
    """Raises ValueError off loopback unless that is asked for: a guard that others reach is an open proxy."""
    if options.fd is not None:
        listener = socket.socket(fileno=options.fd)
        _check_loopback(listener.getsockname()[0])
        return listener
    if not options.off_loopback:
        _check_loopback(options.host)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    return socket.create_server((options.host, options.port), family=family, backlog=BACKLOG)


def _check_loopback(host: str) -> None:
    if verdict(host).reason != "loopback":
        raise ValueError(f"{host!r} is no loopback address")


def _room_for_connections() -> int:
    """Raises this process's limit of open files as far as it may; each connection has two."""
    wanted = 2 * GuardLimits().max_connections + FILES_BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, (soft - FILES_BESIDE_CONNECTIONS) // 2)


if __name__ == "__main__":
    main()
