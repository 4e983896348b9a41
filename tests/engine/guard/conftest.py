"""One guard for the session. Loopback is open to it at the ports of `site` and `site6` alone, so that the canary stands
for all that is internal.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.guard.peers import LOCAL, Client, GuardProcess, Site, await_answer, framed, guard_process, says


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


@pytest.fixture(scope="session")
def site6() -> Iterator[Site]:
    running = Site("::1")
    yield running
    running.close()


@pytest.fixture(scope="session")
def canary() -> Iterator[Site]:
    """What nobody may reach, though its port is on the list."""
    running = Site()
    running.handlers["/"] = says(framed(b"internal"))
    yield running
    running.close()


@pytest.fixture(scope="session")
def guard(site: Site, site6: Site, canary: Site) -> Iterator[GuardProcess]:
    environment = {
        "EGRESS_ALLOW": f"{LOCAL}:{site.port}, [::1]:{site6.port}",
        "EGRESS_PORTS": f"80,443,{canary.port}",
        "EGRESS_DOMAINS_BLOCKED": "blocked.example",
        "LOG_LEVEL": "DEBUG",
    }
    with guard_process(**environment) as running:
        await_answer(running.port)
        yield running


@pytest.fixture
def client(guard: GuardProcess) -> Iterator[Client]:
    with Client(guard.port) as connected:
        yield connected
