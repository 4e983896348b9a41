from __future__ import annotations

import asyncio
import threading

import pytest

from mediadl.asgi import threads as threads_module
from mediadl.asgi.threads import Threads


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no call is late."""
    monkeypatch.setattr(threads_module, "RELIEF_SECONDS", 2.0)


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


def test_one_thread_at_a_time_does_calls_in_order(patient: None) -> None:
    names: set[str] = set()
    done: list[int] = []

    def work(number: int) -> None:
        names.add(threading.current_thread().name)
        done.append(number)

    threads = Threads(4, name="test-four", at_once=1)

    async def many() -> None:
        await asyncio.gather(*(threads.run(work, number) for number in range(50)))

    asyncio.run(many())
    threads.close()
    assert done == list(range(50))
    assert len(names) == 1


def test_who_waits_for_something_is_relieved() -> None:
    releases = [threading.Event() for _ in range(3)]
    threads = Threads(4, name="test-four", at_once=1)

    async def behind_three_that_hang() -> None:
        hanging = [asyncio.create_task(threads.run(release.wait, 5)) for release in releases]
        assert await asyncio.wait_for(threads.run(lambda: "served"), 2) == "served"
        # The first comes back, and its thread is there for those that come now.
        releases[0].set()
        await hanging[0]
        assert await asyncio.wait_for(threads.run(lambda: "again"), 2) == "again"
        for release in releases:
            release.set()
        await asyncio.gather(*hanging)

    asyncio.run(behind_three_that_hang())
    threads.close()


def test_while_one_hangs_others_go_on() -> None:
    release, names = threading.Event(), list[str]()
    threads = Threads(3, name="test-three", at_once=1)

    def late() -> None:
        """Longer than it takes to be relieved."""
        threading.Event().wait(0.02)
        names.append(threading.current_thread().name)

    async def hang_and_go_on() -> None:
        hanging = asyncio.create_task(threads.run(release.wait, 5))
        await asyncio.wait_for(threads.run(lambda: None), 2)
        behind = [asyncio.create_task(threads.run(late)) for _ in range(5)]
        await asyncio.wait_for(asyncio.gather(*behind), 4)
        release.set()
        await hanging

    asyncio.run(hang_and_go_on())
    threads.close()
    assert len(names) == 5


def test_no_more_threads_work_than_there_are() -> None:
    release, working = threading.Event(), threading.Semaphore(0)
    threads = Threads(2, name="test-two", at_once=1)

    def hang() -> None:
        working.release()
        release.wait(5)

    async def three_for_two() -> None:
        hanging = [asyncio.create_task(threads.run(hang)) for _ in range(3)]
        await asyncio.sleep(0.2)
        assert [working.acquire(blocking=False) for _ in range(3)] == [True, True, False]
        release.set()
        await asyncio.gather(*hanging)

    asyncio.run(three_for_two())
    threads.close()
    assert working.acquire(blocking=False)


def test_after_a_pause_one_thread_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who relieved one another do not stay."""
    release = threading.Event()
    threads = Threads(3, name="test-three", at_once=1)
    running, most = 0, 0
    lock = threading.Lock()

    def count() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.001)
        with lock:
            running -= 1

    async def hang_then_many() -> None:
        hanging = [asyncio.create_task(threads.run(release.wait, 5)) for _ in range(2)]
        await asyncio.wait_for(threads.run(lambda: None), 2)
        release.set()
        await asyncio.gather(*hanging)
        await asyncio.sleep(0.05)
        monkeypatch.setattr(threads_module, "RELIEF_SECONDS", 2.0)
        await asyncio.gather(*(threads.run(count) for _ in range(20)))

    asyncio.run(hang_then_many())
    threads.close()
    assert most == 1


@pytest.mark.parametrize("at_once", [1, 2, None])
def test_the_next_event_loop_is_served_alike(at_once: int | None) -> None:
    threads = Threads(2, name="test-two", at_once=at_once)

    async def behind_one_that_waits() -> str:
        slow = asyncio.create_task(threads.run(threading.Event().wait, 0.05))
        answer = await asyncio.wait_for(threads.run(lambda: "served"), 2)
        await slow
        return answer

    assert [asyncio.run(behind_one_that_waits()) for _ in range(3)] == ["served"] * 3
    threads.close()
