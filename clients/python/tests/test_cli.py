from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from proxy import Proxy

from mediadl import Client, Download
from mediadl.cli import parser


def mediadl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mediadl", *arguments]
    variables = os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=90, check=False)


def test_gets_files(origin: str, tmp_path: Path) -> None:
    answer = mediadl(
        "get", f"{origin}/clip.mp4", f"{origin}/audio.mp3", "--audio", "-d", str(tmp_path), "-o", "tags=[]"
    )
    assert answer.returncode == 0, answer.stderr
    paths = [Path(line) for line in answer.stdout.splitlines()]
    assert sorted(paths) == sorted(tmp_path.iterdir())
    assert {path.suffix for path in paths} == {".mp3"}


def test_says_what_failed_and_gets_the_rest(origin: str, tmp_path: Path) -> None:
    answer = mediadl("get", f"{origin}/status/404/clip.mp4", f"{origin}/clip.mp4", "-d", str(tmp_path))
    assert answer.returncode == 1
    assert "mediadl:" in answer.stderr
    assert "Not Found. Open the URL" in " ".join(answer.stderr.split())
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]


def test_lists_shows_and_fetches(film: Download, tmp_path: Path) -> None:
    assert film.request_id in mediadl("list", "-n", "100").stdout
    rows = [json.loads(line) for line in mediadl("list", "--json", "--status", "completed").stdout.splitlines()]
    assert film.request_id in {row["request_id"] for row in rows}
    assert json.loads(mediadl("show", film.request_id).stdout)["request_id"] == film.request_id
    assert f"{film.request_id} completed" in mediadl("wait", film.request_id).stdout
    [line] = mediadl("fetch", film.request_id, "-d", str(tmp_path)).stdout.splitlines()
    assert hashlib.sha256(Path(line).read_bytes()).hexdigest() == film.files[0].sha256


def test_submits_cancels_and_deletes(client: Client, origin: str) -> None:
    later = "start_after=2099-01-01T00:00:00Z"
    request_id = mediadl("submit", f"{origin}/clip.mp4", "-o", later).stdout.strip()
    assert client.download(request_id).status == "queued"
    assert mediadl("cancel", request_id).returncode == 0
    assert client.download(request_id).status == "cancelled"
    assert mediadl("delete", request_id).returncode == 0
    answer = mediadl("show", request_id)
    assert (answer.returncode, "not_found" in answer.stderr) == (1, True)


def test_shares(film: Download) -> None:
    answer = mediadl("share", film.request_id, "--hours", "0.5", "--downloads", "1")
    assert "/s/" in answer.stdout


def test_looks_at_pages(origin: str) -> None:
    assert "mp4" in mediadl("formats", f"{origin}/clip.mp4").stdout
    assert len(mediadl("playlist", f"{origin}/rss.xml?n=3").stdout.splitlines()) == 3


def test_takes_the_key_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(os.environ["MEDIADL_API_KEY"] + "\n")
    answer = mediadl("--key-file", str(tmp_path / "key"), "me", MEDIADL_API_KEY="")
    assert json.loads(answer.stdout)["scopes"]


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["me"], {"MEDIADL_URL": ""}, "say which server"),
        (["me"], {"MEDIADL_API_KEY": "mdl_nonsense"}, "invalid_api_key"),
        (["--key-file", "/nowhere/key", "me"], {}, "No such file"),
        (["submit", "x://y", "-o", "nonsense"], {}, "NAME=VALUE"),
        (["submit", "https://videos.example/1", "-o", "qualty=720p"], {}, "unknown_field"),
    ],
)
def test_says_what_is_wrong(arguments: list[str], environment: dict[str, str], said: str) -> None:
    answer = mediadl(*arguments, **environment)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def heed_interrupts() -> None:
    """What a shell starts in the background ignores them, and passes that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_it_and_not_the_download(client: Client, origin: str) -> None:
    job = client.submit(f"{origin}/clip.mp4", start_after="2099-01-01T00:00:00Z")
    with Proxy(os.environ["MEDIADL_URL"]) as proxy:
        command = [sys.executable, "-m", "mediadl", "--server", proxy.url, "wait", job.request_id]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts)  # noqa: PLW1509
        while not proxy.seen:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert client.download(job.request_id).status == "queued"


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("get", "submit", "list", "fetch", "show", "wait", "cancel", "formats", "batch", "share"):
        with pytest.raises(SystemExit) as end:
            parser().parse_args([name, "--help"])
        assert end.value.code == 0
    assert "usage: mediadl get" in capsys.readouterr().out
