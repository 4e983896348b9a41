from __future__ import annotations

import asyncio
import threading

from mediadl.asgi.threads import Threads


def test_quiet_is_when_nobody_waits_for_a_thread_any_more() -> None:
    told: list[int] = []
    done: list[int] = []
    single = Threads(1, name="test-single", when_quiet=lambda: told.append(len(done)))

    async def five_at_once() -> None:
        await asyncio.gather(*(single.run(done.append, number) for number in range(5)))
        await asyncio.sleep(0)

    asyncio.run(five_at_once())
    single.close()
    assert done == [0, 1, 2, 3, 4]
    assert told[-1] == 5
    assert 0 not in told


def test_it_is_not_quiet_while_one_waits() -> None:
    told: list[str] = []
    release = threading.Event()
    single = Threads(1, name="test-single", when_quiet=lambda: told.append("quiet"))

    async def one_behind_another() -> None:
        first = asyncio.create_task(single.run(lambda: None))
        slow = asyncio.create_task(single.run(release.wait, 5))
        behind = asyncio.create_task(single.run(lambda: None))
        await first
        await asyncio.sleep(0.05)
        assert told == []
        release.set()
        await asyncio.gather(slow, behind)
        await asyncio.sleep(0)

    asyncio.run(one_behind_another())
    single.close()
    assert told


def test_quiet_is_told_after_a_call_that_failed() -> None:
    told: list[str] = []
    single = Threads(1, name="test-single", when_quiet=lambda: told.append("quiet"))

    async def fail() -> None:
        assert isinstance((await asyncio.gather(single.run(int, "x"), return_exceptions=True))[0], ValueError)
        await asyncio.sleep(0)

    asyncio.run(fail())
    single.close()
    assert told == ["quiet"]
