"""From a target to a connected socket: one look-up, one judgement of all its answers, and a race between them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from itertools import chain, zip_longest

from downloads.engine.guard_policy import Policy, Target

LOOK_UP_SECONDS = 10.0
CONNECT_SECONDS = 15.0
STAGGER_SECONDS = 0.25  # RFC 8305: how long one address has before the next is tried beside it
MAX_LOOK_UPS = 32
MAX_ATTEMPTS = 8

Resolve = Callable[[str], Awaitable[Sequence[str]]]


class FailedError(Exception):
    """The origin, or the way to it, is at fault. `reason` is machine-readable."""

    def __init__(self, reason: str, status: HTTPStatus = HTTPStatus.BAD_GATEWAY) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Resolver:
    """The system's resolver in threads of its own: daemons, so that a stuck one never delays the exit."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(MAX_LOOK_UPS)

    async def __call__(self, host: str) -> Sequence[str]:
        """Raises OSError where there is no such name."""
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def work() -> None:
            result = _look_up(host)
            with suppress(RuntimeError):  # the loop has closed meanwhile
                loop.call_soon_threadsafe(self._settle, answer, result)

        try:
            threading.Thread(target=work, name="look-up", daemon=True).start()
        except RuntimeError as error:  # no more threads
            self._settle(answer, OSError(str(error)))
        return await answer

    def _settle(self, answer: asyncio.Future[Sequence[str]], result: Sequence[str] | OSError) -> None:
        self._slots.release()
        if answer.done():
            return
        if isinstance(result, OSError):
            answer.set_exception(result)
        else:
            answer.set_result(result)


class Dialer:
    def __init__(self, policy: Policy, resolve: Resolve | None = None) -> None:
        self._policy = policy
        self._resolve = resolve or Resolver()

    async def connect(self, target: Target) -> socket.socket:
        """To an address that was judged: names are looked up once, here. Raises DeniedError or FailedError."""
        self._policy.check_target(target)
        addresses = [target.host] if target.is_literal else await self._addresses(target.host)
        self._policy.check_addresses(target, addresses, is_own_address)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await _race(_interleaved(addresses)[:MAX_ATTEMPTS], target.port)
        except OSError as error:  # TimeoutError is one
            raise FailedError("connect") from error

    async def _addresses(self, host: str) -> Sequence[str]:
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                addresses = await self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise FailedError("dns") from error
        if not addresses:
            raise FailedError("dns")
        return addresses


def is_own_address(address: str) -> bool:
    """Asks the routing table, sends nothing: the way to oneself starts at the same address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return bool(probe.getsockname()[0] == address)
    except OSError:
        return False


def _look_up(host: str) -> Sequence[str] | OSError:
    try:
        # As bytes: a str would load the IDNA tables, and the name is ASCII already.
        found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError as error:
        return OSError(str(error))
    return list(dict.fromkeys(_address(entry[4]) for entry in found))


def _address(name: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> str:
    """With its scope, so that a scoped answer is judged as one."""
    host, scope = str(name[0]), name[3] if len(name) > 3 else 0  # noqa: PLR2004 - (host, port, flow, scope) of IPv6
    return f"{host}%{scope}" if scope and "%" not in host else host


def _interleaved(addresses: Sequence[str]) -> list[str]:
    """Families in turn, in the resolver's order: a dead IPv6 then costs one stagger and not one for each address."""
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    return [address for address in chain.from_iterable(zip_longest(*families.values())) if address is not None]


async def _race(addresses: Sequence[str], port: int) -> socket.socket:
    """The first connection wins, the others are closed. Raises the last OSError where none succeeds."""
    waiting = list(addresses)
    attempts: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("no address")
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(_open(waiting.pop(0), port)))
            done, _ = await asyncio.wait(
                attempts, timeout=STAGGER_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                attempts.discard(attempt)
                error = attempt.exception()
                if error is None:
                    return attempt.result()
                failure = error
        raise failure
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_discard)


async def _open(address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)  # noqa: FBT003 - positional only
        await asyncio.get_running_loop().sock_connect(opened, (address, port))
    except BaseException:
        opened.close()
        raise
    return opened


def _discard(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()
