from __future__ import annotations

import json
import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import IdempotentAnswer, Scope, User
from downloads import cookies, expansion, netscape, uploads
from downloads.events import probe_channel
from downloads.models import Batch, CookieJar, Job, Probe
from tests.api.conftest import URL, Api, code_of, key_of

pytestmark = [pytest.mark.promise("S9"), pytest.mark.django_db]
AT = "/auth/cookies"
SECRET = "zq7cookieofanapi"
TEXT = f"# Netscape HTTP Cookie File\n.example.com\tTRUE\t/\tTRUE\t4102444800\tsession\t{SECRET}\n"
FIELDS = {
    "cookie_id",
    "name",
    "domains",
    "cookie_count",
    "created_at",
    "expires_at",
    "is_expired",
    "last_used_at",
    "last_success_at",
}


@pytest.fixture
def jar(user: User) -> CookieJar:
    return cookies.store(user, TEXT)


def upload(api: Api, content: bytes, **fields: Any) -> Any:
    file = SimpleUploadedFile("cookies.txt", content)
    return api.client.post(f"/api/v1{AT}", {"file": file, **fields})


def document(answer: Any) -> dict[str, Any]:
    assert SECRET not in answer.content.decode()
    return dict(answer.json())


# --- Storing ----------------------------------------------------------------------------------------------------


def test_stores_text(api: Api, user: User) -> None:
    answer = api.post(AT, {"cookies": TEXT})
    stored = document(answer)
    assert answer.status_code == 201
    assert set(stored) == FIELDS
    assert (stored["name"], stored["domains"], stored["cookie_count"]) == ("example.com", ["example.com"], 1)
    assert (stored["expires_at"], stored["is_expired"], stored["last_used_at"]) == ("2100-01-01T00:00:00Z", False, None)
    assert answer["Location"] == f"/api/v1{AT}/{stored['cookie_id']}"
    row = CookieJar.objects.get(pk=stored["cookie_id"])
    assert row.owner == user
    assert SECRET not in row.ciphertext
    assert SECRET in row.text()


def test_stores_a_file(api: Api) -> None:
    answer = upload(api, TEXT.encode(), name="Mine", expires_at="2099-01-01T00:00:00Z")
    assert answer.status_code == 201
    assert (document(answer)["name"], document(answer)["expires_at"]) == ("Mine", "2099-01-01T00:00:00Z")


def test_says_which_lines_are_bad(api: Api) -> None:
    answer = api.post(AT, {"cookies": f"{TEXT}example.com\t{SECRET}\n"})
    assert code_of(answer) == (400, "validation_failed")
    (error,) = document(answer)["errors"]
    assert (error["field"], error["code"]) == ("cookies", "not_netscape")
    assert error["message"].startswith("Line 3: it has 2 columns")
    assert not CookieJar.objects.exists()


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "validation_failed", "cookies"),
        ({"cookies": None}, "validation_failed", "cookies"),
        ({"cookies": ""}, "validation_failed", "cookies"),
        ({"cookies": 5}, "validation_failed", "cookies"),
        ({"cookies": [TEXT]}, "validation_failed", "cookies"),
        ({"cookies": "# Netscape HTTP Cookie File\n"}, "validation_failed", "cookies"),
        ({"cookies": TEXT.replace("4102444800", "1000")}, "validation_failed", "cookies"),
        ({"cookies": "x" * 300_000}, "validation_failed", "cookies"),
        ({"cookies": TEXT, "file": TEXT}, "unknown_field", "file"),
        ({"cookies": TEXT, "name": "n" * 101}, "validation_failed", "name"),
        ({"cookies": TEXT, "name": "a\nb"}, "validation_failed", "name"),
        ({"cookies": TEXT, "expires_at": "2001-01-01T00:00:00Z"}, "validation_failed", "expires_at"),
        ({"cookies": TEXT, "expires_at": "tomorrow"}, "validation_failed", "expires_at"),
        ({"cookies": TEXT, "domain": "x"}, "unknown_field", "domain"),
        ({"browser": "firefox"}, "not_supported", "browser"),
        ({"cookies": TEXT, "browser": "chrome"}, "not_supported", "browser"),
    ],
)
def test_refuses_what_it_cannot_use(api: Api, body: dict[str, Any], code: str, field: str) -> None:
    answer = api.post(AT, body)
    assert code_of(answer) == (400, code)
    assert field in [error["field"] for error in document(answer)["errors"]]
    assert not CookieJar.objects.exists()


def test_tells_whoever_names_a_browser_how_to_export(api: Api) -> None:
    assert "--cookies-from-browser" in document(api.post(AT, {"browser": "firefox"}))["detail"]


@pytest.mark.parametrize(
    ("content", "fields", "expected"),
    [
        (b"\xff\xfe\x00", {}, (400, "validation_failed")),
        (b"a\x00b", {}, (400, "validation_failed")),
        (b"", {}, (400, "validation_failed")),
        (TEXT.encode(), {"cookies": TEXT}, (400, "unknown_field")),
        (TEXT.encode(), {"more": "1"}, (400, "unknown_field")),
        (TEXT.encode(), {"name": ["a", "b"]}, (400, "validation_failed")),
        (b"x" * (netscape.MAX_BYTES + 1), {}, (400, "validation_failed")),
        (b"x" * (uploads.MAX_BYTES + 1), {}, (413, "body_too_large")),
    ],
)
def test_refuses_files_that_it_cannot_use(
    api: Api, content: bytes, fields: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert code_of(upload(api, content, **fields)) == expected


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "text/plain"])
def test_refuses_bodies_that_it_cannot_read(api: Api, kind: str) -> None:
    answer = api.post_text(AT, "nonsense", kind)
    assert answer.status_code in {400, 415}
    assert code_of(answer)


def test_one_owner_cannot_store_without_end(api: Api, jar: CookieJar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookies, "MAX_JARS_PER_OWNER", 1)
    assert code_of(api.post(AT, {"cookies": TEXT})) == (429, "quota_exceeded")


# --- Showing and deleting ---------------------------------------------------------------------------------------


def test_lists_ones_own_page_by_page(
    api: Api, user: User, stranger: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    stored = [cookies.store(user, TEXT, f"jar {number}") for number in range(3)]
    page = document(api.get(AT, {"limit": 2}))
    assert [item["name"] for item in page["results"]] == ["jar 2", "jar 1"]
    rest = api.client.get(page["next"]).json()
    assert [item["cookie_id"] for item in rest["results"]] == [str(stored[0].pk)]
    assert document(stranger.get(AT))["results"] == []
    with django_assert_num_queries(3):
        api.get(AT)


def test_shows_and_deletes(api: Api, jar: CookieJar) -> None:
    assert document(api.get(f"{AT}/{jar.pk}"))["cookie_id"] == str(jar.pk)
    assert api.delete(f"{AT}/{jar.pk}").status_code == 204
    assert code_of(api.get(f"{AT}/{jar.pk}")) == code_of(api.delete(f"{AT}/{jar.pk}")) == (404, "not_found")


@pytest.mark.parametrize("verb", ["get", "delete", "post"])
def test_anothers_are_not_there(stranger: Api, anybody: Api, jar: CookieJar, verb: str) -> None:
    path = f"{AT}/{jar.pk}" + ("/test" if verb == "post" else "")
    assert code_of(getattr(stranger, verb)(path)) == (404, "not_found")
    assert getattr(anybody, verb)(path).status_code == 401
    assert CookieJar.objects.count() == 1


def test_a_key_that_only_reads_changes_nothing(user: User, jar: CookieJar) -> None:
    reader = Api(key_of(user, Scope.READ))
    assert reader.get(f"{AT}/{jar.pk}").status_code == 200
    for answer in (
        reader.post(AT, {"cookies": TEXT}),
        reader.delete(f"{AT}/{jar.pk}"),
        reader.post(f"{AT}/{jar.pk}/test", {"url": URL}),
    ):
        assert code_of(answer) == (403, "insufficient_scope")


def test_storing_counts_as_a_submission(api: Api, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    assert api.post(AT, {"cookies": TEXT}).status_code == 201
    assert code_of(api.post(AT, {"cookies": TEXT})) == (429, "rate_limit_exceeded")


# --- Naming them ------------------------------------------------------------------------------------------------


def test_a_job_remembers_which(api: Api, jar: CookieJar) -> None:
    answer = api.post("/download", {"url": URL, "cookies_id": str(jar.pk)})
    assert answer.status_code == 201
    assert answer.json()["options"]["cookies_id"] == str(jar.pk)
    assert Job.objects.get().options["cookies_id"] == str(jar.pk)


@pytest.mark.parametrize("whose", ["nobody's", "another's", "expired"])
def test_only_ones_own_that_are_not_expired_can_be_named(api: Api, stranger: Api, jar: CookieJar, whose: str) -> None:
    if whose == "expired":
        CookieJar.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    asker = stranger if whose == "another's" else api
    cookies_id = str(uuid.uuid4() if whose == "nobody's" else jar.pk)
    answers = [
        asker.post("/download", {"url": URL, "cookies_id": cookies_id}),
        asker.post("/batch/download", {"urls": [URL], "cookies_id": cookies_id}),
        asker.post("/playlist/download", {"url": URL, "cookies_id": cookies_id}),
        *(
            asker.get(path, {"url": URL, "cookies_id": cookies_id})
            for path in ("/formats", "/metadata", "/playlist/preview", "/channel/info")
        ),
    ]
    if whose == "expired":
        answers.append(asker.post(f"{AT}/{cookies_id}/test", {"url": URL}))
    said = {json.dumps(answer.json()["errors"]) for answer in answers}
    assert {code_of(answer) for answer in answers} == {(400, "cookies_gone")}
    assert len(said) == 1
    assert not Job.objects.exists()
    assert not Probe.objects.exists()
    assert not Batch.objects.exists()


def test_a_list_is_read_with_them_and_its_batch_fails_when_they_are_gone(api: Api, jar: CookieJar) -> None:
    assert api.post("/playlist/download", {"url": URL, "cookies_id": str(jar.pk)}).status_code == 201
    batch = Batch.objects.get()
    assert batch.probe is not None
    assert batch.probe.cookies == jar
    api.delete(f"{AT}/{jar.pk}")
    expansion.expand_waiting()
    batch.refresh_from_db()
    assert (batch.status, batch.error_code) == ("failed", "cookies_gone")


def test_storing_can_be_repeated_safely(api: Api) -> None:
    answers = [api.post(AT, {"cookies": TEXT}, **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert len({answer.json()["cookie_id"] for answer in answers}) == CookieJar.objects.count() == 1
    kept = str(IdempotentAnswer.objects.values().get())
    assert SECRET not in kept


# --- Trying them ------------------------------------------------------------------------------------------------

FOUND: dict[str, Any] = {
    "metadata": {"title": "Members only", "duration": 8.0, "extractor": "generic"},
    "items": [{}, {}],
}


def finish(probe: Probe, **result: Any) -> None:
    probe.start("node/1/1")
    probe.complete(FOUND | result)


@pytest.fixture
def impatient(settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 0


@pytest.mark.django_db(transaction=True)
def test_a_test_waits_for_what_is_found(api: Api, jar: CookieJar, settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 20

    def look() -> None:
        try:
            while not Probe.objects.queued().exists():
                time.sleep(0.05)
            finish(Probe.objects.get())
        finally:
            connection.close()

    worker = threading.Thread(target=look)
    worker.start()
    answer = api.post(f"{AT}/{jar.pk}/test", {"url": URL})
    worker.join()
    assert (answer.status_code, document(answer)["title"]) == (200, "Members only")


def test_a_test_holds_no_thread_where_a_layer_over_us_waits(api: Api, jar: CookieJar) -> None:
    def asked(*, has_waited: bool) -> Any:
        over_us: dict[str, Any] = {"mediadl.waited": has_waited}
        at = f"/api/v1{AT}/{jar.pk}/test"
        return api.client.post(at, {"url": URL}, content_type="application/json", **over_us)

    granted = asked(has_waited=False)
    assert (granted["X-Accel-Events"], granted["X-Accel-Wait"]) == (probe_channel(Probe.objects.get().pk), "20")
    assert asked(has_waited=True).status_code == 202
    finish(Probe.objects.get())
    assert document(asked(has_waited=True))["formats_available"] == 2


@pytest.mark.usefixtures("impatient")
def test_a_test_is_a_look_with_them(api: Api, jar: CookieJar) -> None:
    first = api.post(f"{AT}/{jar.pk}/test", {"url": URL})
    probe = Probe.objects.get()
    assert first.status_code == 202
    assert first["Location"] == f"/api/v1/probe/{probe.pk}"
    assert probe.cookies == jar
    finish(probe)
    second = api.post(f"{AT}/{jar.pk}/test", {"url": URL})
    assert (second.status_code, document(second)) == (
        200,
        {
            "cookie_id": str(jar.pk),
            "url": URL,
            "is_sent": True,
            "title": "Members only",
            "duration": 8.0,
            "extractor": "generic",
            "formats_available": 2,
        },
    )
    assert Probe.objects.count() == 1


@pytest.mark.usefixtures("impatient")
def test_a_test_says_when_none_of_them_is_for_the_site(api: Api, jar: CookieJar) -> None:
    query = {"url": "https://notexample.com/watch"}
    api.post(f"{AT}/{jar.pk}/test", query)
    finish(Probe.objects.get())
    assert document(api.post(f"{AT}/{jar.pk}/test", query))["is_sent"] is False


@pytest.mark.usefixtures("impatient")
def test_a_test_looks_anew_when_the_last_look_is_old(api: Api, jar: CookieJar, settings: Settings) -> None:
    api.post(f"{AT}/{jar.pk}/test", {"url": URL})
    finish(Probe.objects.get())
    soon = timezone.now() + timedelta(seconds=settings.PROBE_CACHE_SECONDS - 31)
    Probe.objects.update(expires_at=soon)
    assert api.post(f"{AT}/{jar.pk}/test", {"url": URL}).status_code == 202
    assert Probe.objects.count() == 2


@pytest.mark.parametrize(
    "body", [{}, {"url": "ftp://x/"}, {"url": URL, "more": 1}, {"url": None}, {"url": "http://" + "x" * 3000}]
)
def test_a_test_needs_a_url(api: Api, jar: CookieJar, body: dict[str, Any]) -> None:
    assert code_of(api.post(f"{AT}/{jar.pk}/test", body))[0] == 400
    assert not Probe.objects.exists()


def test_a_look_with_them_answers_nobody_who_asks_without(api: Api, jar: CookieJar, settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 0
    api.get("/formats", {"url": URL, "cookies_id": str(jar.pk)})
    api.get("/formats", {"url": URL})
    assert set(Probe.objects.values_list("cookies", flat=True)) == {jar.pk, None}
    assert len(set(Probe.objects.values_list("fingerprint", flat=True))) == 2


def test_what_was_seen_with_them_goes_with_them(api: Api, jar: CookieJar, settings: Settings) -> None:
    settings.PROBE_WAIT_SECONDS = 0
    probe_id = api.get("/formats", {"url": URL, "cookies_id": str(jar.pk)}).json()["probe_id"]
    api.delete(f"{AT}/{jar.pk}")
    assert code_of(api.get(f"/probe/{probe_id}")) == (404, "not_found")
