from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.processes import MAX_QUICK_CRASHES, CrashLoopError, Service, fork, program, stop_all
from tests.product import wait_until

SLEEP = "import time; time.sleep(60)"


def service(code: str, name: str = "test", stop_order: int = 0) -> Service:
    return Service(name, program([sys.executable, "-c", code], environment=os.environ), stop_order=stop_order)


def stubborn_service(directory: Path, stop_order: int = 0) -> Service:
    """One that is deaf already."""
    deaf = directory / "deaf"
    code = (
        f"import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(deaf)!r}, 'w'); time.sleep(60)"
    )
    started = service(code, "stubborn", stop_order)
    started.start()
    wait_until(deaf.exists, 30)
    return started


def exists(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_service_that_ends_is_started_again_after_a_pause() -> None:
    said: list[str] = []
    tended = service(SLEEP)
    tended.start()
    assert tended.process is not None
    first = tended.process.pid
    os.kill(first, signal.SIGKILL)

    def is_another() -> bool:
        tended.tend(said.append)
        return tended.process is not None and tended.process.pid != first

    wait_until(is_another, 5)
    assert tended.is_running
    assert "status -9" in said[0]
    tended.kill()


def test_a_service_that_keeps_crashing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("downloads.processes.FIRST_DELAY_SECONDS", 0.001)
    hopeless = Service("test", program(["false"], environment=os.environ), stop_order=0)
    hopeless.start()

    def tend_for_ever() -> None:
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline:
            hopeless.tend(lambda _: None)
            time.sleep(0.01)

    with pytest.raises(CrashLoopError):
        tend_for_ever()
    assert hopeless.quick_crashes == MAX_QUICK_CRASHES


def test_killing_a_service_takes_its_whole_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
    code += f"open({str(pid_file)!r}, 'w').write(str(p.pid)); time.sleep(60)"
    parent = service(code)
    parent.start()
    wait_until(lambda: pid_file.exists() and pid_file.read_text(), 10)

    parent.kill()
    wait_until(lambda: not exists(int(pid_file.read_text())), 5)


def test_services_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import os, sys, time\nfrom downloads.processes import Service, fork\n"
        "s = Service('x', fork(lambda: time.sleep(60))); s.start()\n"
        f"open({str(pid_file)!r}, 'w').write(str(s.process.pid)); time.sleep(60)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    pid = int(wait_until(lambda: pid_file.exists() and pid_file.read_text(), 10))
    supervisor.kill()
    supervisor.wait()

    wait_until(lambda: not exists(pid), 2)


def test_stopping_goes_in_order_and_kills_the_stubborn_at_the_limit(tmp_path: Path) -> None:
    polite, stubborn = service(SLEEP, "polite", 0), stubborn_service(tmp_path, 1)
    polite.start()

    began = time.monotonic()
    stop_all([stubborn, polite], 1.0, is_urgent=lambda: False)
    assert not polite.is_running
    assert not stubborn.is_running
    assert 0.8 < time.monotonic() - began < 5


def test_an_urgent_stop_waits_for_nobody(tmp_path: Path) -> None:
    stubborn = stubborn_service(tmp_path)

    began = time.monotonic()
    stop_all([stubborn], 30, is_urgent=lambda: True)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(("ending", "status"), [(lambda: None, 0), (lambda: sys.exit(3), 3), (lambda: 1 / 0, 1)])
def test_a_fork_tells_how_it_ended(ending: Callable[[], None], status: int) -> None:
    assert fork(ending)().wait() == status


def test_a_fork_leads_a_session_of_its_own_and_can_be_terminated() -> None:
    forked = fork(lambda: time.sleep(60))()
    wait_until(lambda: os.getsid(forked.pid) == forked.pid, 2)

    assert forked.poll() is None
    forked.terminate()
    assert forked.wait() == -signal.SIGTERM
