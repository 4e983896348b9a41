"""What the sandbox makes of kernels that offer less, of fewer rights, and what it says of itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from downloads.engine import landlock, linux, sandbox, seccomp
from tests.engine.processes import ROOT

pytestmark = [
    pytest.mark.promise("S2"),
    pytest.mark.skipif(sandbox.probe().level != "full", reason="this kernel has no full sandbox"),
]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work/mine").mkdir(parents=True)
    return tmp_path / "work/mine"


@pytest.mark.parametrize(
    ("abi", "has_seccomp", "level", "words"),
    [
        (7, True, "full", ""),
        (4, True, "full", "signals"),
        (3, True, "partial", "egress guard"),
        (0, True, "partial", "Landlock is not available"),
        (7, False, "partial", "seccomp"),
        (0, False, "off", "seccomp"),
    ],
)
def test_says_how_good_it_is(
    monkeypatch: pytest.MonkeyPatch, abi: int, has_seccomp: bool, level: str, words: str
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: abi)
    monkeypatch.setattr(seccomp, "is_available", lambda: has_seccomp)
    state = sandbox.probe()
    assert state.level == level
    assert words in " ".join(state.reasons)


ENTER = """
import json, sys
from downloads.engine import landlock, sandbox
from downloads.engine.spec import Limits
landlock.abi = lambda: int(sys.argv[2])
state = sandbox.enter(work_directory=sys.argv[1], guard_port=9, limits=Limits(), readable=sys.argv[3:])
outcomes = [state.level, *state.reasons]
for path in ("/etc/passwd", sys.argv[1] + "/new"):
    try:
        open(path, "r" if path.startswith("/etc") else "w").close()
        outcomes.append("opened")
    except OSError as error:
        outcomes.append("refused")
print(json.dumps(outcomes))
"""


@pytest.mark.parametrize("abi", [1, 2, 3, 4, 5, 6])
def test_older_kernels_get_the_rules_they_know(work: Path, abi: int) -> None:
    output = subprocess.check_output([sys.executable, "-c", ENTER, str(work), str(abi)], cwd=ROOT)
    level, *reasons, outside, inside = json.loads(output)
    assert (outside, inside) == ("refused", "opened")
    assert level == ("full" if abi >= 4 else "partial")
    assert len(reasons) == {4: 1, 5: 1, 6: 0}.get(abi, 2)


def test_the_work_directory_must_not_lie_where_children_may_read(work: Path) -> None:
    command = [sys.executable, "-c", ENTER, str(work), str(landlock.abi()), str(work.parent.parent)]
    level, reason, *_ = json.loads(subprocess.check_output(command, cwd=ROOT))
    assert level == "partial"
    assert "lies inside" in reason


AS_NOBODY = """
import ctypes, os, sys
NEW_USER_NAMESPACE = 0x10000000
if ctypes.CDLL(None).unshare(NEW_USER_NAMESPACE):
    sys.exit("no namespace")
assert os.geteuid() != 0
"""


def test_needs_no_rights_of_root(work: Path) -> None:
    command = [sys.executable, "-c", AS_NOBODY + ENTER, str(work), str(landlock.abi())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.stderr == "no namespace\n":
        pytest.skip("this kernel makes no namespaces of users")
    level, *_, outside, inside = json.loads(done.stdout)
    assert (level, outside, inside) == ("full", "refused", "opened")


DEEP = """
import json, sys
from downloads.engine import sandbox
from downloads.engine.spec import Limits
for _ in range(20):
    state = sandbox.enter(work_directory=sys.argv[1], guard_port=None, limits=Limits(), readable=["/nowhere"])
print(json.dumps([state.level, *state.reasons]))
"""


def test_what_the_kernel_refuses_is_told_and_not_raised(work: Path) -> None:
    """It stacks no more than sixteen sets of rules on each other."""
    level, reason, *_ = json.loads(subprocess.check_output([sys.executable, "-c", DEEP, str(work)], cwd=ROOT))
    assert level == "partial"
    assert "could not set Landlock" in reason


NO_CALLS = """
import json, sys
from downloads.engine import landlock, linux, sandbox, seccomp
from downloads.engine.spec import Limits
landlock._CREATE_RULESET, seccomp._GET_ACTION_AVAILABLE = 9999, 9999
state = sandbox.enter(work_directory=sys.argv[1], guard_port=9, limits=Limits())
print(json.dumps([state.level, *state.reasons]))
"""


def test_a_kernel_that_knows_neither_call_gives_no_sandbox(work: Path) -> None:
    level, *reasons = json.loads(subprocess.check_output([sys.executable, "-c", NO_CALLS, str(work)], cwd=ROOT))
    assert level == "off"
    assert ["Landlock is not" in reasons[0], "System calls are not" in reasons[1]] == [True, True]


def test_no_filter_is_made_for_a_machine_whose_calls_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "MACHINE", "unknown")
    with pytest.raises(OSError, match="unknown"):
        seccomp.restrict()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_well_formed(machine: str) -> None:
    program = list(seccomp.instructions(machine))
    assert len(program) < 4096
    for index, (code, if_true, if_false, _) in enumerate(program):
        if code in {0x15, 0x45}:
            assert index + 1 + max(if_true, if_false) < len(program)
    assert program[-1] == (0x06, 0, 0, 0x7FFF0000)
