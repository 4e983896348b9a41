"""The rest, by `make e2e`: what people and programs do with a server from one end to the other."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from standardwebhooks import Webhook

from tests.e2e.conftest import TAG, Live
from tests.product import wait_until
from tests.webhooks.receiver import Receiver

LATER = "2099-01-01T00:00:00Z"


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer.text
    return answer.status_code, str(answer.json()["code"])


# --- Choosing -------------------------------------------------------------------------------------------------------


def test_a_format_is_looked_up_and_chosen(live: Live) -> None:
    url = live.media("/hls/plain/master.m3u8")
    found = live.api.get("/formats", params={"url": url}).json()
    offered = [entry for kind in found["formats"].values() for entry in kind]
    assert offered
    assert found["recommended_format"]
    job = live.completed(url, custom_format=offered[0]["format_id"])
    live.bytes_of(job["files"][0])


def test_metadata_is_read_without_a_download(live: Live) -> None:
    found = live.api.get("/metadata", params={"url": live.media("/page/og-video?title=Only%20looked%20at")})
    assert found.status_code == 200, found.text
    assert found.json()["title"]


def test_only_the_sound_is_taken_and_named_as_wanted(live: Live) -> None:
    template = "music/{title}.{ext}"
    job = live.completed(live.media(), audio_only=True, audio_format="mp3", path_template=template)
    [file] = [file for file in job["files"] if file["kind"] == "media"]
    assert file["mime_type"] == "audio/mpeg"
    assert job["file_path"].startswith("music/")
    assert live.bytes_of(file)[:3] in {b"ID3", b"\xff\xfb\x90", b"\xff\xfb\xb0"}


def test_subtitles_come_beside_the_film(live: Live) -> None:
    job = live.completed(live.site("/page/subtitles"), download_subtitles=True, subtitle_languages=["en", "de"])
    languages = {file["language"] for file in job["files"] if file["kind"] == "subtitle"}
    assert languages == {"en", "de"}
    for file in job["files"]:
        live.bytes_of(file)


# --- Steering -------------------------------------------------------------------------------------------------------


def test_a_job_is_paused_resumed_and_cancelled(live: Live) -> None:
    job = live.submit(live.media(), start_after=LATER)["request_id"]
    assert live.api.post(f"/download/{job}/pause", json={}).json()["status"] == "paused"
    assert live.api.post(f"/download/{job}/resume", json={}).json()["status"] == "queued"
    assert live.api.delete(f"/download/{job}").json()["status"] == "cancelled"
    assert code(live.api.post(f"/download/{job}/pause", json={})) == (409, "wrong_state")
    assert live.api.post(f"/download/{job}/retry", json={}).json()["status"] == "queued"


def test_what_fails_says_why_and_can_be_tried_again(live: Live) -> None:
    job = live.ended(live.submit(live.site("/status/404/clip.mp4"))["request_id"])
    assert (job["status"], job["error_code"], job["retryable"]) == ("failed", "not_found", False)
    assert job["remedy"]
    assert live.api.post(f"/download/{job['request_id']}/retry", json={}).status_code == 200
    assert live.ended(job["request_id"], "failed")["attempt"] == 2


def test_a_running_download_is_cancelled_at_once(live: Live) -> None:
    job = live.submit(live.site("/slow/20000/big/9000000.mp4"))["request_id"]
    live.ended(job, "running")
    assert live.api.delete(f"/download/{job}").json()["status"] == "cancelled"
    assert live.job(job)["status"] == "cancelled"


def test_addresses_that_lead_inside_are_refused(live: Live) -> None:
    answer = live.api.post("/download", json={"url": "http://169.254.169.254/latest/meta-data/", "tags": [TAG]})
    if answer.status_code == 201:
        live.forget_later(answer.json()["request_id"])
        assert live.ended(answer.json()["request_id"])["error_code"] == "url_blocked"
    else:
        assert code(answer) == (400, "url_blocked")


def test_files_are_kept_or_go_at_their_time(live: Live) -> None:
    job = live.completed(live.media())
    assert live.api.post(f"/download/{job['request_id']}/keep", json={}).json()["deletion_time"] is None
    live.api.post(f"/download/{job['request_id']}/keep", json={"retention_hours": 0.0003})
    url = live.path_of(job["files"][0]["file_url"])
    gone = wait_until(lambda: _gone(live, url), 90, what="the deletion")
    assert code(gone) == (410, "file_expired")


def _gone(live: Live, url: str) -> httpx.Response | None:
    answer = live.api.get(url)
    return answer if answer.status_code == 410 else None


# --- Many -----------------------------------------------------------------------------------------------------------


def test_a_playlist_is_looked_at_and_some_of_it_is_taken(live: Live) -> None:
    url = live.site("/rss.xml?n=4")
    shown = live.api.get("/playlist/preview", params={"url": url, "page_size": 2}).json()
    assert (shown["total_videos"], len(shown["videos"]), shown["has_next"]) == (4, 2, True)
    answer = live.api.post("/playlist/download", json={"url": url, "items": "1,3", "tags": [TAG]})
    assert answer.status_code == 201, answer.text
    batch = _batch_ended(live, answer.json()["batch_id"])
    assert (batch["completed"], batch["failed"]) == (2, 0)


def test_a_batch_goes_on_past_what_fails_and_retries_it(live: Live) -> None:
    urls = [live.media(), live.site("/status/404/x.mp4")]
    answer = live.api.post("/batch/download", json={"urls": urls, "tags": [TAG]})
    assert answer.status_code == 201, answer.text
    batch = _batch_ended(live, answer.json()["batch_id"])
    assert (batch["completed"], batch["failed"]) == (1, 1)
    assert live.api.post(f"/batch/{batch['batch_id']}/retry", json={}).status_code == 200
    assert _batch_ended(live, batch["batch_id"])["failed"] == 1


def test_one_wrong_url_refuses_the_batch_and_is_named(live: Live) -> None:
    answer = live.api.post("/batch/download", json={"urls": [live.media(), "ftp://old.example/"], "tags": [TAG]})
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["urls[1]"]


def _batch_ended(live: Live, batch_id: str) -> dict[str, Any]:
    def arrived() -> dict[str, Any] | None:
        batch: dict[str, Any] = live.api.get(f"/batch/{batch_id}").json()
        is_over = batch["completed"] + batch["failed"] + batch["cancelled"] == batch["total_urls"] > 0
        return batch if is_over else None

    batch: dict[str, Any] = wait_until(arrived, 180, every=0.5, what=f"batch {batch_id} ending")
    for job in batch["jobs"]:
        live.forget_later(job["request_id"])
    return batch


# --- Programs -------------------------------------------------------------------------------------------------------


def test_a_repeated_submission_is_one_job(live: Live) -> None:
    body = {"url": live.media(), "start_after": LATER, "tags": [TAG]}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, again = (live.api.post("/download", json=body, headers=headers) for _ in range(2))
    live.forget_later(first.json()["request_id"])
    assert first.json()["request_id"] == again.json()["request_id"]
    assert code(live.api.post("/download", json=body | {"priority": "low"}, headers=headers))[0] == 422


def test_a_job_is_followed_by_its_events(live: Live) -> None:
    job = live.submit(live.media())["request_id"]
    events: list[str] = []
    with live.api.stream("GET", f"/download/{job}/events", timeout=120) as stream:
        for line in stream.iter_lines():
            if line == "event: end":
                break
            if line.startswith("data:") and line != "data:":
                events.append(json.loads(line.removeprefix("data:"))["data"]["status"])
    assert events[-1] == "completed"


def test_an_unchanged_job_costs_a_304(live: Live) -> None:
    job = live.submit(live.media(), start_after=LATER)["request_id"]
    etag = live.api.get(f"/download/{job}").headers["ETag"]
    assert live.api.get(f"/download/{job}", headers={"If-None-Match": etag}).status_code == 304


def test_a_file_is_shared_with_somebody_without_a_key_and_taken_back(live: Live) -> None:
    file = live.completed(live.media())["files"][0]
    wanted = {"max_downloads": 2, "expires_in_sec": 600}
    link = live.api.post(f"/files/{file['file_id']}/links", json=wanted).json()
    url = live.path_of(link["url"])
    with live.client(None) as anybody:
        content = live.bytes_of(file | {"file_url": link["url"]}, anybody)
        assert anybody.get(url, headers={"Range": "bytes=5-"}).content == content[5:]
        assert live.api.get(f"/links/{link['link_id']}").json()["download_count"] == 1
        assert anybody.get(live.path_of(file["file_url"])).status_code == 401
        assert live.api.delete(f"/links/{link['link_id']}").status_code == 204
        assert code(anybody.get(url)) == (410, "link_revoked")


def test_a_webhook_is_told_tried_repeated_and_given_another_secret(live: Live, receiver: Receiver) -> None:
    wanted = {"url": receiver.url(), "events": ["download.completed"]}
    made = live.api.post("/webhooks", json=wanted).json()
    at = f"/webhooks/{made['webhook_id']}"
    job = live.completed(live.media())["request_id"]
    first = receiver.wait(1)[0]
    assert (first.event, first.json["data"]["request_id"]) == ("download.completed", job)
    assert Webhook(made["secret"]).verify(first.body, first.headers)

    delivery = live.api.get(f"{at}/deliveries", params={"request_id": job}).json()["results"][0]
    repeated = wait_until(lambda: redelivered(live, f"{at}/deliveries/{delivery['delivery_id']}"), 30)
    assert repeated.status_code == 202
    assert receiver.wait(2)[1].id == first.id

    rotated = live.api.post(f"{at}/rotate", json={"overlap_hours": 1}).json()
    assert live.api.post(f"{at}/test", json={}).status_code == 202
    last = receiver.wait(3)[2]
    assert last.event == "webhook.test"
    for secret in (made["secret"], rotated["secret"]):
        assert Webhook(secret).verify(last.body, last.headers)
    assert live.api.delete(at).status_code == 204
    assert code(live.api.get(at)) == (404, "not_found")


def redelivered(live: Live, at: str) -> httpx.Response | None:
    """Not while it is on its way."""
    answer = live.api.post(f"{at}/redeliver", json={})
    return None if answer.status_code == 409 else answer


def test_one_request_names_an_address_of_its_own(live: Live, receiver: Receiver) -> None:
    secret = live.api.post("/webhooks/for-requests", json={"overlap_hours": 0}).json()["secret"]
    told = {"webhook_url": receiver.url("/mine"), "webhook_events": ["download.started", "download.completed"]}
    live.completed(live.media(), **told)
    messages = receiver.wait(2, "/mine")
    assert {message.event for message in messages} == set(told["webhook_events"])
    for message in messages:
        assert Webhook(secret).verify(message.body, message.headers)


def test_cookies_open_a_page_until_they_are_deleted(live: Live) -> None:
    url = live.site("/needs-cookie/session/zq/clip.mp4")
    refused = live.ended(live.submit(url)["request_id"])
    assert (refused["status"], refused["error_code"]) == ("failed", "login_required")
    text = f"# Netscape HTTP Cookie File\n{urlsplit(url).hostname}\tFALSE\t/\tFALSE\t4102444800\tsession\tzq\n"
    stored = live.api.post("/auth/cookies", json={"cookies": text}).json()
    at = f"/auth/cookies/{stored['cookie_id']}"

    def tried() -> httpx.Response | None:
        answer = live.api.post(f"{at}/test", json={"url": url})
        return None if answer.status_code == 202 else answer

    test: httpx.Response = wait_until(tried, 60, what="what the test has found")
    assert (test.status_code, test.json()["is_sent"]) == (200, True)
    live.completed(url, cookies_id=stored["cookie_id"])
    shown = live.api.get(at)
    assert shown.json()["last_success_at"] is not None
    assert "zq" not in shown.text
    assert live.api.delete(at).status_code == 204
    assert code(live.api.post("/download", json={"url": url, "cookies_id": stored["cookie_id"]}))[0] == 400


def test_a_batch_is_fetched_as_one_archive(live: Live) -> None:
    urls = [live.site("/item/1.mp4"), live.site("/item/2.mp4"), live.site("/status/404/clip.mp4")]
    made = live.api.post("/batch/download", json={"urls": urls, "tags": [TAG], "reuse": False})
    batch = _batch_ended(live, made.json()["batch_id"])
    whole = live.api.get(live.path_of(batch["archive_url"]))
    with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 3
        assert b"/status/404" in archive.read(archive.namelist()[-1])
    headers = {"Range": "bytes=500-", "If-Range": whole.headers["ETag"]}
    assert live.api.get(live.path_of(batch["archive_url"]), headers=headers).content == whole.content[500:]


def test_a_key_for_reading_reads_until_it_is_revoked(live: Live) -> None:
    end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = live.api.post("/keys", json={"name": "end to end", "scopes": ["read"], "expires_at": end}).json()
    with live.client(made["key"]) as reader:
        assert reader.get("/me").json()["scopes"] == ["read"]
        assert code(reader.post("/download", json={"url": live.media()})) == (403, "insufficient_scope")
        assert live.api.delete(f"/keys/{made['key_id']}").status_code == 204
        assert code(reader.get("/me")) == (401, "invalid_api_key")


def test_mistakes_are_told_and_change_nothing(live: Live) -> None:
    before = live.api.get("/stats").json()["total_jobs"]
    assert code(live.api.post("/download", json={"url": "nonsense"}))[0] == 400
    assert code(live.api.post("/download", json={"url": "https://a.example", "qualty": "720p"})) == (
        400,
        "unknown_field",
    )
    assert code(live.api.post("/download", content=b"{", headers={"Content-Type": "application/json"}))[0] == 400
    assert code(live.api.get(f"/download/{uuid.uuid4()}")) == (404, "not_found")
    assert live.api.get("/stats").json()["total_jobs"] == before


def test_the_description_and_the_figures_are_there(live: Live) -> None:
    description = httpx.get(f"{live.root}/api/openapi.json", timeout=60, trust_env=False).json()
    assert "/api/v1/download" in description["paths"]
    for path in ("/api/docs", "/api/redoc"):
        assert httpx.get(f"{live.root}{path}", timeout=60, trust_env=False).status_code == 200
    metrics = live.api.get("/metrics")
    assert metrics.status_code in {200, 403}  # the key may be nobody's who operates it
    assert metrics.status_code == 403 or "queue_depth" in metrics.text
