"""A bookmark with a key of its own: what it holds, and what the key can do."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from accounts.models import ApiKey, Scope, User
from downloads.models import Job

NEW, KEYS = "/accounts/keys/bookmark/", "/accounts/keys/"
KEY = re.compile(r"mdl_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}")


def test_its_key_is_shown_once_inside_it_and_listed_like_any_other(page: Client, user: User) -> None:
    answer = page.post(NEW, {"name": "Firefox"})
    shown = html.unescape(answer.text)
    assert (answer.status_code, "no-store" in answer["Cache-Control"]) == (201, True)
    plain = KEY.findall(shown)[0]
    assert f'javascript:void(open("http://testserver/send#key={plain}&url="+encodeURIComponent(location.href)' in shown
    key = ApiKey.objects.get()
    assert (key.owner, key.name, key.scope_list, key.max_jobs_per_day) == (user, "Firefox", [Scope.SUBMIT], 100)
    listed = page.get(KEYS).text
    assert "Firefox" in listed
    assert not KEY.search(listed)


@pytest.mark.parametrize("name", ["", " ", "x" * 101])
def test_it_needs_a_name(page: Client, name: str) -> None:
    assert "at most 100 characters" in page.post(NEW, {"name": name}, follow=True).text
    assert not ApiKey.objects.exists()


def test_its_key_submits_until_it_is_revoked(user: User) -> None:
    key, plain = ApiKey.objects.issue(user, "Firefox", [Scope.SUBMIT])
    program = Client(headers={"X-API-Key": plain})
    wanted = {"url": "https://videos.example/watch?v=1"}
    assert program.post("/api/v1/download", wanted, content_type="application/json").status_code == 201
    job = Job.objects.get()
    assert (job.owner, job.api_key) == (user, key)
    assert program.get(f"/api/v1/download/{job.pk}").status_code == 403
    key.revoke()
    assert program.post("/api/v1/download", wanted, content_type="application/json").status_code == 401


def test_a_key_for_writing_submits_as_ever_and_makes_keys_that_only_submit(user: User) -> None:
    user.is_staff = True
    user.save()
    _, plain = ApiKey.objects.issue(user, "script", [Scope.WRITE, Scope.ADMIN])
    program = Client(headers={"X-API-Key": plain})
    wanted = {"url": "https://videos.example/watch?v=1"}
    assert program.post("/api/v1/download", wanted, content_type="application/json").status_code == 201
    made = program.post("/api/v1/keys", {"name": "less", "scopes": ["submit"]}, content_type="application/json")
    assert (made.status_code, made.json()["scopes"]) == (201, ["submit"])
    more = program.post("/api/v1/keys", {"name": "more", "scopes": ["read"]}, content_type="application/json")
    assert more.status_code == 403


def test_a_person_can_make_a_key_that_only_submits(page: Client) -> None:
    answer = page.post("/accounts/keys/new/", {"name": "x", "scopes": ["submit"], "expires_in_days": "30"})
    assert answer.status_code == 201
    assert ApiKey.objects.get().scope_list == [Scope.SUBMIT]


def test_what_it_opens_knows_nobody_and_does_nothing_by_itself(page: Client, user: User) -> None:
    for browser in (page, Client()):
        answer = browser.get("/send?url=https%3A%2F%2Fvideos.example%2F1")
        assert answer.status_code == 200
    assert page.post("/send", {"url": "https://videos.example/1"}).status_code == 405
    assert not Job.objects.exists()
