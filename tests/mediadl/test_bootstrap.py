from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mediadl.bootstrap import SHORTEST_SECRET_KEY, load_cookie_keys, load_keys, load_secret_key, require_mount
from tests.project.tree import ROOT

GIVEN = "x" * SHORTEST_SECRET_KEY
WEAK = "change-me"

# Waits for the file named first, so that many can be let go at one moment.
RACER = """
import sys, time
from pathlib import Path
from mediadl.bootstrap import load_secret_key
gate, data = map(Path, sys.argv[1:])
print("ready", flush=True)
while not gate.exists():
    time.sleep(0.001)
print(load_secret_key("", data, debug=False, is_alone=True))
"""


def key(directory: Path, given: str = "", *, debug: bool = False, is_alone: bool = True) -> str:
    return load_secret_key(given, directory, debug=debug, is_alone=is_alone)


def test_a_given_key_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    assert key(tmp_path, GIVEN) == GIVEN
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_generated_once_and_stays(tmp_path: Path) -> None:
    first = key(tmp_path / "data")
    assert len(first) >= SHORTEST_SECRET_KEY
    assert key(tmp_path / "data") == first


def test_two_data_directories_have_two_keys(tmp_path: Path) -> None:
    assert key(tmp_path / "one") != key(tmp_path / "other")


def test_the_generated_key_is_for_its_owner_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    key(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    gate, data = tmp_path / "gate", tmp_path / "data"
    command = [sys.executable, "-c", RACER, str(gate), str(data)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    try:
        assert [racer.stdout.readline() for racer in racers if racer.stdout] == ["ready\n"] * 6
        gate.touch()
        keys = {racer.communicate(timeout=20)[0].strip() for racer in racers}
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()
    assert keys == {(data / "secret_key").read_text()}
    assert [path.name for path in data.iterdir()] == ["secret_key"]


def test_a_weak_key_is_refused_where_the_database_is_shared(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY is shorter than 32 characters"):
        key(tmp_path, WEAK, is_alone=False)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_is_alone_takes_the_generated_key_for_a_weak_one_and_says_so(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="The generated key is used instead"):
        used = key(tmp_path, WEAK)
    assert used == key(tmp_path)


def test_a_weak_key_is_good_enough_for_debugging(tmp_path: Path) -> None:
    assert key(tmp_path, WEAK, debug=True) == WEAK


def test_keys_that_sign_what_leaves_the_server_are_generated_where_none_is_given(tmp_path: Path) -> None:
    [made] = load_keys("LINK_KEYS", ["", " "], tmp_path / "link_key")
    assert [made] == load_keys("LINK_KEYS", [], tmp_path / "link_key") != [key(tmp_path)]
    assert stat.S_IMODE((tmp_path / "link_key").stat().st_mode) == 0o600


def test_given_keys_keep_their_order_and_a_weak_one_is_refused(tmp_path: Path) -> None:
    assert load_keys("LINK_KEYS", [f" {GIVEN}1 ", f"{GIVEN}2"], tmp_path / "link_key") == [f"{GIVEN}1", f"{GIVEN}2"]
    with pytest.raises(ImproperlyConfigured, match="LINK_KEYS"):
        load_keys("LINK_KEYS", [GIVEN, WEAK], tmp_path / "link_key")
    assert list(tmp_path.iterdir()) == []


FERNET_KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


def test_a_key_for_cookies_is_generated_once_and_is_its_own(tmp_path: Path) -> None:
    (first,) = load_cookie_keys([], tmp_path)
    assert load_cookie_keys([], tmp_path) == [first]
    assert len(base64.urlsafe_b64decode(first)) == 32
    assert first != key(tmp_path)
    assert stat.S_IMODE((tmp_path / "cookie_key").stat().st_mode) == 0o600


def test_given_keys_for_cookies_come_first_and_a_generated_one_goes_on_opening(tmp_path: Path) -> None:
    assert load_cookie_keys([FERNET_KEY], tmp_path) == [FERNET_KEY]
    (generated,) = load_cookie_keys([], tmp_path)
    assert load_cookie_keys([f" {FERNET_KEY} ", ""], tmp_path) == [FERNET_KEY, generated]


@pytest.mark.parametrize("given", ["short", "x" * 44, FERNET_KEY[:-1], "é" * 44, FERNET_KEY + FERNET_KEY])
def test_refuses_what_is_no_key_for_cookies(tmp_path: Path, given: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="COOKIE_KEYS"):
        load_cookie_keys([FERNET_KEY, given], tmp_path)


def test_a_mount_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    assert (require_mount(""), require_mount("/proc")) == ("", "/proc")
    with pytest.raises(ImproperlyConfigured, match=f"nothing is mounted at {tmp_path}"):
        require_mount(str(tmp_path))


def test_a_data_directory_that_cannot_be_used_is_said_in_one_line_with_what_to_do(tmp_path: Path) -> None:
    place = tmp_path / "file" / "data"
    place.parent.write_text("no directory")
    with pytest.raises(ImproperlyConfigured, match=f"{place} cannot be used: Not a directory"):
        key(place)

    command = [sys.executable, str(ROOT / "manage.py"), "up"]
    environment = {"DATA_DIR": str(place), "PATH": os.environ["PATH"]}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1
    assert line.startswith(f"mediadl: {place} cannot be used: Not a directory. ")
    assert f"chown -R {os.getuid()} {place}" in line
