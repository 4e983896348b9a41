from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from downloads import storage
from downloads.models import Job, JobEvent, JobLog, MediaFile, Status
from tests.factories import BatchFactory, JobFactory, MediaFileFactory, row

HTMX = {"HX-Request": "true"}


def with_bytes(job: Job) -> MediaFile:
    file = MediaFileFactory(job=job)
    path = storage.path_of(file.storage_key)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"media")
    return file


def test_shows_what_came_out_and_how_it_came_about(page: Client, user: User) -> None:
    job = JobFactory(owner=user, finished=True, title="A walk", options={"quality": "720p", "timeout_sec": 1800})
    file = MediaFileFactory(job=job, width=1280, height=720)
    JobEvent.objects.append(job, "queued")
    JobEvent.objects.append(job, "completed")
    JobLog.objects.append(job, [(timezone.now(), "info", "Extracting URL")])
    text = page.get(f"/jobs/{job.pk}").text
    address = f"/api/v1/files/{file.pk}/clip.mp4"
    assert f'src="{address}?inline=1"' in text
    assert f'href="{address}"' in text
    assert all(word in text for word in ("A walk", file.sha256, "Extracting URL", "Completed", "720p mp4", "1280"))
    assert "Time limit" not in text


def test_shows_an_error_with_its_remedy(page: Client, user: User) -> None:
    job = JobFactory(owner=user, broken=True, error_code="login_required", error_message="Only for members.")
    text = page.get(f"/jobs/{job.pk}").text
    assert "The site wants a signed-in visitor" in text
    assert "export its cookies" in text
    assert "Only for members." in text
    assert f'action="/jobs/{job.pk}/retry"' in text


def test_does_not_repeat_a_message_that_only_says_what_the_title_says(page: Client, user: User) -> None:
    job = JobFactory(owner=user, broken=True, error_code="private", error_message="The media is private")
    assert page.get(f"/jobs/{job.pk}").text.count("The media is private") == 1


def test_says_when_a_job_is_tried_again(page: Client, user: User) -> None:
    at = timezone.now() + timedelta(minutes=5)
    job = JobFactory(owner=user, eligible_at=at, error_code="rate_limited", error_message="429", attempt=1)
    text = page.get(f"/jobs/{job.pk}").text
    assert "Will be tried again" in text
    assert "in 5 min" in text
    assert "trouble is-passing" in text


@pytest.mark.parametrize("state", ["queued", "running", "paused"])
def test_shows_progress_until_the_end(page: Client, user: User, state: str) -> None:
    job = JobFactory(owner=user, running=True) if state == "running" else JobFactory(owner=user, status=state)
    assert "<progress" in page.get(f"/jobs/{job.pk}").text


def test_offers_the_link_again_when_the_files_are_gone(page: Client, user: User) -> None:
    job = JobFactory(owner=user, finished=True, url="https://a.example/?x=1&y=2", expires_at=None)
    MediaFileFactory(job=job, deleted_at=timezone.now())
    text = page.get(f"/jobs/{job.pk}").text
    assert "The files are deleted" in text
    assert f'href="/?again={job.pk}"' in text
    assert f"/jobs/{job.pk}/keep" not in text


def test_plays_only_what_browsers_may_show_in_place(page: Client, user: User) -> None:
    job = JobFactory(owner=user, finished=True)
    file = MediaFileFactory(job=job, filename="clip.mkv", mime_type="video/x-matroska")
    assert "<video" not in page.get(f"/jobs/{job.pk}").text
    MediaFile.objects.filter(pk=file.pk).update(mime_type="audio/mpeg")
    assert "<audio" in page.get(f"/jobs/{job.pk}").text


def test_gives_the_player_its_poster_and_subtitles(page: Client, user: User) -> None:
    job = JobFactory(owner=user, finished=True)
    MediaFileFactory(job=job)
    picture = MediaFileFactory(job=job, is_main=False, kind="thumbnail", filename="p.jpg", mime_type="image/jpeg")
    track = MediaFileFactory(
        job=job, is_main=False, kind="subtitle", filename="s.vtt", mime_type="text/vtt", language="de"
    )
    text = page.get(f"/jobs/{job.pk}").text
    assert f'poster="/api/v1/files/{picture.pk}/p.jpg?inline=1"' in text
    assert f'src="/api/v1/files/{track.pk}/s.vtt?inline=1" srclang="de"' in text


@pytest.mark.parametrize("path", ["", "/log"])
def test_of_others_there_is_nothing(page: Client, other: User, path: str) -> None:
    job = JobFactory(owner=other, finished=True)
    assert page.get(f"/jobs/{job.pk}{path}").status_code == 404


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "keep", "let-expire", "delete"])
def test_of_others_nothing_can_be_changed(page: Client, other: User, verb: str) -> None:
    job = JobFactory(owner=other)
    assert page.post(f"/jobs/{job.pk}/{verb}").status_code == 404
    assert row(Job, job.pk).version == job.version


@pytest.mark.parametrize("path", ["", "/log"])
def test_leads_strangers_to_the_sign_in_page(user: User, path: str) -> None:
    job = JobFactory(owner=user, finished=True)
    answer = Client().get(f"/jobs/{job.pk}{path}")
    assert answer["Location"].startswith("/accounts/sign-in/?next=/jobs/")


def test_answers_htmx_with_the_moving_part(page: Client, user: User) -> None:
    job = JobFactory(owner=user, running=True)
    assert page.get(f"/jobs/{job.pk}", headers=HTMX).text.startswith('<div class="job-page" id="job"')


@pytest.mark.parametrize(
    ("state", "verb", "after"),
    [
        ({}, "cancel", Status.CANCELLED),
        ({"running": True}, "cancel", Status.CANCELLED),
        ({}, "pause", Status.PAUSED),
        ({"running": True}, "pause", Status.PAUSED),
        ({"status": "paused"}, "resume", Status.QUEUED),
        ({"broken": True}, "retry", Status.QUEUED),
    ],
)
def test_a_button_does_what_it_says(
    page: Client, user: User, state: dict[str, object], verb: str, after: Status
) -> None:
    job = JobFactory(owner=user, **state)
    offered = page.get(f"/jobs/{job.pk}").text
    assert f'action="/jobs/{job.pk}/{verb}"' in offered
    answer = page.post(f"/jobs/{job.pk}/{verb}", {"next": f"/jobs/{job.pk}"})
    assert answer["Location"] == f"/jobs/{job.pk}"
    assert row(Job, job.pk).status == after


def test_keeps_files_and_lets_them_expire_again(page: Client, user: User) -> None:
    job = JobFactory(owner=user, finished=True)
    MediaFileFactory(job=job)
    page.post(f"/jobs/{job.pk}/keep")
    assert (row(Job, job.pk).is_kept, row(Job, job.pk).expires_at) == (True, None)
    assert f"/jobs/{job.pk}/let-expire" in page.get(f"/jobs/{job.pk}").text
    page.post(f"/jobs/{job.pk}/let-expire")
    kept = row(Job, job.pk)
    assert not kept.is_kept
    assert abs(kept.expires_at - timezone.now() - kept.retention) < timedelta(seconds=10)


def test_says_so_when_the_state_does_not_allow_it(page: Client, user: User) -> None:
    job = JobFactory(owner=user, finished=True)
    answer = page.post(f"/jobs/{job.pk}/pause", {"next": f"/jobs/{job.pk}"}, follow=True)
    assert "Nothing was done: the job is completed." in answer.text


def test_tells_htmx_what_was_done_and_what_to_fetch_again(page: Client, user: User) -> None:
    job = JobFactory(owner=user)
    answer = page.post(f"/jobs/{job.pk}/cancel", headers=HTMX)
    assert answer.status_code == 204
    assert '"jobs-changed"' in answer["HX-Trigger"]
    assert '"Cancelled."' in answer["HX-Trigger"]


def test_knows_no_other_verbs(page: Client, user: User) -> None:
    job = JobFactory(owner=user)
    assert page.post(f"/jobs/{job.pk}/start").status_code == 404
    assert page.get(f"/jobs/{job.pk}/cancel").status_code == 405
    assert page.get(f"/jobs/{uuid.uuid4()}").status_code == 404


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil"])
def test_never_leads_elsewhere(page: Client, user: User, elsewhere: str) -> None:
    job = JobFactory(owner=user)
    assert page.post(f"/jobs/{job.pk}/cancel", {"next": elsewhere})["Location"] == "/"


def undo_offered(text: str) -> dict[str, str]:
    """What the button beside "deleted" posts."""
    return {"at": text.partition('name="at" value="')[2].partition('"')[0], "next": "/library"}


def test_deletes_a_job_at_once_and_undoes_it(page: Client, user: User, data_dir: Path) -> None:
    job = JobFactory(owner=user, finished=True, title="A walk")
    file = with_bytes(job)
    address = f"/api/v1/files/{file.pk}"
    assert f'action="/jobs/{job.pk}/delete"' in page.get(f"/jobs/{job.pk}").text
    answer = page.post(f"/jobs/{job.pk}/delete", follow=True)
    assert answer.redirect_chain == [("/library", 302)]
    assert "A walk" not in answer.text
    assert [page.get(path).status_code for path in (f"/jobs/{job.pk}", address, f"/api/v1/download/{job.pk}")] == [
        404
    ] * 3
    assert page.delete(f"/api/v1/download/{job.pk}").status_code == 404
    assert page.post(f"/jobs/{job.pk}/delete").status_code == 404
    undone = page.post("/undo", undo_offered(answer.text), follow=True)
    assert "it is all back" in undone.text
    assert "A walk" in undone.text
    assert "Deletion undone" in page.get(f"/jobs/{job.pk}").text
    assert page.get(address).status_code == 200


def test_deletes_one_of_its_files_and_undoes_it(page: Client, user: User, data_dir: Path) -> None:
    job = JobFactory(owner=user, finished=True)
    file = with_bytes(job)
    address = f"/api/v1/files/{file.pk}"
    assert f'action="/files/{file.pk}/delete"' in page.get(f"/jobs/{job.pk}").text
    answer = page.post(f"/files/{file.pk}/delete", follow=True)
    assert answer.redirect_chain == [(f"/jobs/{job.pk}", 302)]
    assert "The files are deleted" in answer.text
    assert page.get(address).status_code == 410
    assert "was deleted before" in page.post(f"/files/{file.pk}/delete", follow=True).text
    page.post("/undo", undo_offered(answer.text))
    assert page.get(address).status_code == 200


def test_of_others_no_file_is_deleted_and_nothing_undone(page: Client, other: User) -> None:
    file = MediaFileFactory(job=JobFactory(owner=other, finished=True))
    assert page.post(f"/files/{file.pk}/delete").status_code == 404
    (gone,) = Job.objects.filter(pk=file.job.pk).discard()
    assert "too late" in page.post("/undo", {"at": str(gone.discarded_at)}, follow=True).text
    assert row(Job, gone.pk).discarded_at is not None


@pytest.mark.parametrize("at", ["", "x", "2026-01-01", "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999", "\0"])
def test_makes_do_with_any_moment(page: Client, at: str) -> None:
    assert "too late" in page.post("/undo", {"at": at}, follow=True).text


def test_says_why_something_stays_deleted(page: Client, user: User) -> None:
    user.max_stored_bytes = 8
    user.save()
    (gone,) = Job.objects.filter(pk=MediaFileFactory(job=JobFactory(owner=user, finished=True)).job.pk).discard()
    MediaFileFactory(job=JobFactory(owner=user, finished=True))
    answer = page.post("/undo", {"at": str(gone.discarded_at)}, follow=True)
    assert "It stays deleted. You can have files of 8 bytes." in answer.text


def test_does_not_delete_what_still_runs(page: Client, user: User) -> None:
    job = JobFactory(owner=user, running=True)
    answer = page.post(f"/jobs/{job.pk}/delete", follow=True)
    assert "cancel the job first" in answer.text
    assert Job.objects.filter(pk=job.pk).exists()


def test_shows_the_log_from_a_level_up(page: Client, user: User) -> None:
    job = JobFactory(owner=user, attempt=1)
    JobLog.objects.append(job, [(timezone.now(), level, f"a {level} line") for level in JobLog.LEVELS])
    text = page.get(f"/jobs/{job.pk}/log", {"level": "warning"}, headers=HTMX).text
    assert ("a warning line" in text, "a error line" in text, "a info line" in text) == (True, True, False)
    assert "Times in <span data-zone>UTC</span>." in text
    assert "<html" in page.get(f"/jobs/{job.pk}/log", {"level": "nonsense"}).text


def test_shows_the_end_of_a_long_log(page: Client, user: User) -> None:
    job = JobFactory(owner=user, attempt=1)
    JobLog.objects.append(job, [(timezone.now(), "info", f"line {number}.") for number in range(600)])
    text = page.get(f"/jobs/{job.pk}/log").text
    assert ("line 99." in text, "line 100." in text, "line 599." in text) == (False, True, True)
    assert text.index("line 100.") < text.index("line 599.")


def test_shows_hostile_words_as_words(page: Client, user: User) -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    job = JobFactory(
        owner=user,
        broken=True,
        title=evil,
        error_message=evil,
        format=evil,
        tags=[evil],
        client_reference=evil,
        metadata={"uploader": evil},
        options={"path_template": evil},
    )
    JobLog.objects.append(job, [(timezone.now(), "error", evil)])
    for path in (f"/jobs/{job.pk}", "/", "/library", f"/jobs/{job.pk}/log"):
        text = page.get(path).text
        assert "<script>" not in text
        assert "<img src=x" not in text


@pytest.mark.parametrize("verb", ["keep", "delete"])
def test_knows_where_one_came_from_after_each_button(page: Client, user: User, verb: str) -> None:
    job = JobFactory(owner=user, finished=True)
    file = MediaFileFactory(job=job)
    address = f"/jobs/{job.pk}?next=%2Flibrary%3Fq%3Dwalk"
    text = page.get(address).text
    assert f'hx-get="{address}"' in text
    if verb == "keep":
        assert f'<input type="hidden" name="next" value="{address}">' in text
        assert page.post(f"/jobs/{job.pk}/keep", {"next": address})["Location"] == address
    else:
        assert page.post(f"/files/{file.pk}/delete", {"next": address})["Location"] == address
    assert 'href="/library?q=walk"' in page.get(address, headers=HTMX).text


def test_comes_back_to_the_batch(page: Client, user: User) -> None:
    batch = BatchFactory(owner=user)
    job = JobFactory(owner=user, finished=True, batch=batch, playlist_index=1)
    here = f"/batches/{batch.pk}?page=1"
    link = f"/jobs/{job.pk}?next=%2Fbatches%2F{batch.pk}%3Fpage%3D1"
    assert f'href="{link}"' in page.get(here).text
    assert f'<a href="{here}">Back to the batch</a>' in page.get(link).text
    assert page.post(f"/jobs/{job.pk}/delete", {"next": here})["Location"] == here


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/library", "//evil.example/library", "javascript:alert(1)", "/admin/", "\0", "x"]
)
def test_comes_from_nowhere_else(page: Client, user: User, elsewhere: str) -> None:
    job = JobFactory(owner=user, finished=True)
    answer = page.get(f"/jobs/{job.pk}", {"next": elsewhere})
    assert answer.context["came_from"] == ""
    assert '<a href="/library">Library</a>' in answer.text
    assert f'hx-get="/jobs/{job.pk}"' in answer.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "It has not started yet."),
        ({"broken": True, "attempt": 0}, "It never started."),
        ({"attempt": 1}, "No line of this"),
    ],
)
def test_says_why_there_is_no_log(page: Client, user: User, fields: dict[str, object], said: str) -> None:
    assert said in page.get(f"/jobs/{JobFactory(owner=user, **fields).pk}").text
