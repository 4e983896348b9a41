from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from proxy import Proxy, answers, done_but_lost, lost_after

from mediadl import (
    ApiError,
    Client,
    ConnectionFailedError,
    Download,
    DownloadFailedError,
    GoneError,
    InvalidRequestError,
    MediadlError,
    NotFoundError,
    RateLimitedError,
    UnauthorizedError,
    WaitTimeoutError,
    WrongStateError,
)

URL, KEY = os.environ["MEDIADL_URL"], os.environ["MEDIADL_API_KEY"]


def through(proxy: Proxy, **options: Any) -> Client:
    return Client(proxy.url, KEY, **options)


# --- Submit, wait, steer --------------------------------------------------------------------------------------------


def test_gets_a_file_in_one_call(client: Client, origin: str, tmp_path: Path) -> None:
    seen: list[Download] = []
    bytes_seen: list[int] = []
    path = client.get(
        f"{origin}/page/og-video?title=A%20fine%20clip",
        directory=tmp_path,
        on_update=seen.append,
        on_progress=lambda count, _: bytes_seen.append(count),
        tags=["one call"],
    )
    assert path.parent == tmp_path
    assert "A fine clip" in path.name
    assert seen[-1].status == "completed"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == seen[-1].files[0].sha256
    assert bytes_seen[-1] == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]


def test_says_why_a_download_failed(client: Client, origin: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailedError) as failure:
        client.get(f"{origin}/status/404/clip.mp4", directory=tmp_path)
    assert failure.value.code == "not_found"
    assert failure.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_lists_finds_and_shows(client: Client, film: Download) -> None:
    [found] = [job for job in client.downloads(status="completed", limit=1) if job.request_id == film.request_id]
    assert found.tags == ["film"]
    assert client.download(film.request_id).created_at == film.created_at
    assert any("completed" in line.message.lower() or line.level for line in client.logs(film.request_id))


def test_steers_a_download(client: Client, origin: str) -> None:
    job = client.submit(f"{origin}/clip.mp4", start_after="2099-01-01T00:00:00Z")
    assert client.pause(job.request_id).status == "paused"
    assert client.resume(job.request_id).status == "queued"
    with pytest.raises(WaitTimeoutError):
        client.wait(job.request_id, timeout=0.1)
    client.cancel(job.request_id)
    client.cancel(job.request_id)
    assert client.wait(job.request_id).status == "cancelled"
    with pytest.raises(WrongStateError):
        client.pause(job.request_id)
    client.delete(job.request_id)
    with pytest.raises(NotFoundError):
        client.download(job.request_id)


def test_deletes_what_has_not_ended(client: Client, origin: str) -> None:
    job = client.submit(f"{origin}/clip.mp4", start_after="2099-01-01T00:00:00Z")
    client.delete(job.request_id)
    with pytest.raises(NotFoundError):
        client.download(job.request_id)


def test_looks_at_pages(client: Client, origin: str) -> None:
    assert client.formats(f"{origin}/page/og-video")["formats"]
    assert client.metadata(f"{origin}/page/og-video?title=Looked%20at")["title"] == "Looked at"
    assert client.playlist(f"{origin}/rss.xml?n=3")["total_videos"] == 3


def test_knows_the_service(client: Client) -> None:
    assert client.me()["scopes"]
    assert client.health()["status"] in {"healthy", "degraded"}
    assert client.stats()["total_jobs"] >= 0


# --- Errors ---------------------------------------------------------------------------------------------------------


def test_errors_are_types_with_codes(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        client.submit("https://videos.example/1", qualty="720p")
    assert refusal.value.code == "unknown_field"
    assert refusal.value.errors[0].field == "qualty"
    assert refusal.value.request_id
    with Client(URL, "mdl_nonsense") as stranger, pytest.raises(UnauthorizedError):
        stranger.me()
    with Client("http://127.0.0.1:9", KEY, retries=0) as nowhere, pytest.raises(ConnectionFailedError):
        nowhere.me()


def test_the_environment_must_name_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEDIADL_URL")
    with pytest.raises(MediadlError, match="MEDIADL_URL"):
        Client.from_environment()


# --- Retries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503, 502])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with Proxy(URL, answers(status), answers(status)) as proxy, through(proxy) as client:
        assert client.me()["username"]
    assert len(proxy.seen) == 3


def test_a_server_that_asks_for_more_time_than_there_is_is_an_error() -> None:
    with Proxy(URL, answers(429, "3600")) as proxy, through(proxy) as client, pytest.raises(RateLimitedError) as error:
        client.me()
    assert error.value.retry_after == 3600
    assert len(proxy.seen) == 1


def test_a_submission_whose_answer_is_lost_is_repeated_under_the_same_key(origin: str) -> None:
    with Proxy(URL, answers(503), done_but_lost) as proxy, through(proxy) as client:
        reference = uuid.uuid4().hex
        job = client.submit(f"{origin}/clip.mp4?{reference}", start_after="2099-01-01T00:00:00Z")
        found = list(client.downloads(q=reference))
    keys = [headers["idempotency-key"] for headers in proxy.headers_of("POST")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert [job.request_id for job in found] == [job.request_id]


def test_what_is_not_safe_to_repeat_is_not_repeated(film: Download) -> None:
    with Proxy(URL, done_but_lost) as proxy, through(proxy) as client, pytest.raises(ConnectionFailedError):
        client.keep(film.request_id)
    assert len(proxy.seen) == 1


def test_gives_up_after_so_many_tries() -> None:
    with Proxy(URL, *[answers(503)] * 9) as proxy, through(proxy, retries=1) as client, pytest.raises(ApiError):
        client.me()
    assert len(proxy.seen) == 2


# --- Fetching -------------------------------------------------------------------------------------------------------


def test_a_broken_fetch_goes_on_where_it_was(film: Download, tmp_path: Path) -> None:
    with Proxy(URL, lost_after(1_000_000), lost_after(700_000), answers(503)) as proxy, through(proxy) as client:
        path = client.fetch(film, directory=tmp_path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == film.files[0].sha256
    ranges = [headers.get("range") for headers in proxy.headers_of("GET")]
    assert ranges == [None, "bytes=1000000-", "bytes=1700000-", "bytes=1700000-"]
    assert {headers["if-range"] for headers in proxy.headers_of("GET")[1:]} == {f'"{film.files[0].sha256[:32]}"'}


def broken_off(film: Download, directory: Path) -> None:
    """A run that has brought a megabyte."""
    lost = [lost_after(1_000_000), *[lost_after(0)] * 3]
    with Proxy(URL, *lost) as proxy, through(proxy, retries=0) as client, pytest.raises(ConnectionFailedError):
        client.fetch(film, directory=directory)


def test_a_later_run_goes_on_with_what_is_there(film: Download, tmp_path: Path) -> None:
    broken_off(film, tmp_path)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [1_000_000]
    with Proxy(URL) as proxy, through(proxy) as client:
        path = client.fetch(film, directory=tmp_path)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == film.files[0].sha256
        assert [headers.get("range") for headers in proxy.headers_of("GET")] == ["bytes=1000000-"]
        client.fetch(film, directory=tmp_path)
        assert len(proxy.headers_of("GET")) == 1


def test_a_beginning_that_is_not_of_this_file_does_no_harm(film: Download, client: Client, tmp_path: Path) -> None:
    broken_off(film, tmp_path)
    [part] = tmp_path.iterdir()
    part.write_bytes(b"x" * 1_000_000)
    with pytest.raises(MediadlError, match="not those of the server"):
        client.fetch(film, directory=tmp_path)
    path = client.fetch(film, directory=tmp_path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == film.files[0].sha256


def test_a_name_leads_into_no_other_directory(film: Download, client: Client, tmp_path: Path) -> None:
    path = client.fetch(film, directory=tmp_path / "here", name="../../.bashrc")
    assert path == tmp_path / "here" / "bashrc"


def test_a_deleted_file_is_told(client: Client, film: Download, tmp_path: Path) -> None:
    deleted = replace(film.files[0], file_url=None)
    for source in (deleted, replace(film, files=[deleted])):
        with pytest.raises(GoneError) as gone:
            client.fetch(source, directory=tmp_path)
        assert gone.value.code == "file_expired"


# --- Many at once ---------------------------------------------------------------------------------------------------


def test_downloads_a_batch_and_a_playlist(client: Client, origin: str) -> None:
    if "/api/v1/batch/download" not in httpx.get(f"{URL}/api/openapi.json", trust_env=False).json()["paths"]:
        pytest.skip("the server has no batches")
    made = client.submit_batch([f"{origin}/clip.mp4", f"{origin}/status/404/x.mp4"], tags=["many"])
    ended = client.wait_batch(made.batch_id, timeout=90)
    assert (ended.total_urls, ended.completed, ended.failed) == (2, 1, 1)
    assert {job.status for job in ended.jobs} == {"completed", "failed"}
    assert made.batch_id in {batch.batch_id for batch in client.batches()}
    entries = client.submit_playlist(f"{origin}/rss.xml?n=2", items="1-2", skip_downloaded=False)
    assert client.wait_batch(entries.batch_id, timeout=90).completed == 2


# --- Links ----------------------------------------------------------------------------------------------------------


def test_shares_a_file_and_takes_it_back(client: Client, film: Download, tmp_path: Path) -> None:
    link = client.share(film.files[0], expires_in_sec=600, max_downloads=2, label="for Ada")
    with Proxy(URL) as proxy, Client(proxy.url) as stranger:
        path = stranger.fetch(link.url.replace(URL, proxy.url), directory=tmp_path)
        assert "authorization" not in proxy.headers_of("GET")[0]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == film.files[0].sha256
    [listed] = [found for found in client.links(film.files[0]) if found.link_id == link.link_id]
    assert (listed.download_count, listed.label, listed.state) == (1, "for Ada", "open")
    client.revoke_link(link.link_id)
    with Client(URL) as stranger, pytest.raises(GoneError) as gone:
        stranger.fetch(link.url, directory=tmp_path, name="again.mp4")
    assert gone.value.code == "link_revoked"


def test_a_link_is_given_no_key(tmp_path: Path) -> None:
    with Proxy(URL) as proxy, through(proxy) as client, pytest.raises(NotFoundError):
        client.fetch(f"{proxy.url}/s/{'A' * 64}/clip.mp4", directory=tmp_path)
    assert "authorization" not in proxy.headers_of("GET")[0]
