"""Cookies or an account go while a request that names them is worked on: whoever comes second is told."""

from __future__ import annotations

import pytest

from accounts.models import User
from downloads import closing, cookies, probing
from downloads.api.problem import Problem, problem_of
from downloads.models import CookieJar, Job, Probe, ProbeKind
from tests.accounts.racing import meet
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

URL = "https://videos.example.com/watch/42"


@pytest.fixture
def jar() -> CookieJar:
    return cookies.store(UserFactory(), "videos.example.com\tFALSE\t/\tTRUE\t0\tsession\tzq8\n")


def look(jar: CookieJar) -> Probe:
    return probing.ask(jar.owner, ProbeKind.MEDIA, URL, jar)


def remove(jar: CookieJar) -> None:
    CookieJar.objects.filter(pk=jar.pk).remove()


def test_cookies_take_a_look_that_has_just_begun_with_them(jar: CookieJar) -> None:
    assert meet(lambda: look(jar), lambda: remove(jar)) == []
    assert not CookieJar.objects.exists()
    assert not Probe.objects.exists()


def test_no_look_begins_with_cookies_that_go(jar: CookieJar) -> None:
    (raised,) = meet(lambda: remove(jar), lambda: look(jar))
    assert isinstance(raised, Problem)
    assert (raised.status, raised.code) == (400, "cookies_gone")
    assert not Probe.objects.exists()


def test_an_account_that_goes_takes_no_more_jobs() -> None:
    user = UserFactory()
    user.close()
    same = User.objects.get(pk=user.pk)
    (raised,) = meet(lambda: closing.advance(user), lambda: submit(same))
    assert problem_of(raised).code == "not_found"
    assert not Job.objects.exists()


def submit(user: User) -> Job:
    return Job.submit(owner=user, url=URL, host="videos.example.com")
