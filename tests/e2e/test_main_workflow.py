"""The short part, which the ordinary suite runs: a URL in, the file out, nothing left."""

from __future__ import annotations

from tests.e2e.conftest import Live


def test_a_url_becomes_a_file_that_is_fetched_listed_and_deleted(live: Live) -> None:
    assert live.api.get("/health").json()["status"] in {"healthy", "degraded"}
    made = live.submit(live.media(), client_reference="e2e-main", retention_hours=1)
    assert made["status"] == "queued"
    job = live.ended(made["request_id"])
    assert (job["status"], job["progress_percent"], job["error"]) == ("completed", 100, None)
    assert job["deletion_time"] is not None
    main = next(file for file in job["files"] if file["kind"] == "media")
    content = live.bytes_of(main)
    url = live.path_of(main["file_url"])
    part = live.api.get(url, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, content[100:300])
    listed = live.api.get("/download", params={"q": "e2e-main", "status": "completed"}).json()["results"]
    assert job["request_id"] in {row["request_id"] for row in listed}
    assert live.api.get(f"/download/{job['request_id']}/logs").json()["total_count"] > 0
    assert live.api.delete(f"/download/{job['request_id']}").json()["status"] == "deleted"
    assert live.api.get(f"/download/{job['request_id']}").status_code == 404
    assert live.api.get(url).status_code == 404
