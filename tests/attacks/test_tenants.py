"""S8: every route, every verb, everybody: whose row it is not, to them it does not exist."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import ApiKey, Scope, Session, User
from downloads import cookies, storage
from downloads.links import token_of
from downloads.models import (
    Batch,
    BatchEvent,
    CookieJar,
    Downloaded,
    Job,
    JobEvent,
    JobLog,
    LastChoices,
    Link,
    MediaFile,
    Preset,
    Probe,
    ProbeKind,
)
from downloads.web import words
from tests.attacks.routes import (
    LISTS_BY_KEY,
    LISTS_BY_SESSION,
    OPERATORS,
    PUBLIC,
    READS_BY_POST,
    ROWS_BY_KEY,
    ROWS_BY_SESSION,
    Route,
    of,
    routes,
)
from tests.factories import BatchFactory, JobFactory, MediaFileFactory, UserFactory
from webhooks import outbox
from webhooks.models import Delivery, Endpoint

pytestmark = [pytest.mark.promise("S8"), pytest.mark.django_db]

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
READING = {"GET", "HEAD", "OPTIONS"}
MARK = "zq7victim"
_BACKEND = "django.contrib.auth.backends.ModelBackend"
_PER_REQUEST = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|csrfmiddlewaretoken\" value=\"\w+|nonce-\S+|\b\w{64}\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    user: User
    job: Job
    queued: Job
    file: MediaFile
    key: ApiKey
    probe: Probe
    link: Link
    batch: Batch
    delivery: Delivery
    jar: CookieJar
    session: Session
    preset: Preset

    @property
    def values(self) -> dict[str, object]:
        """For the parameters of addresses."""
        return {
            "request_id": self.job.pk,
            "job_id": self.job.pk,
            "file_id": self.file.pk,
            "filename": "clip.mp4",
            "key_id": self.key.pk,
            "probe_id": self.probe.pk,
            "link_id": self.link.pk,
            "batch_id": self.batch.pk,
            "webhook_id": self.delivery.endpoint_id,
            "delivery_id": self.delivery.pk,
            "cookie_id": self.jar.pk,
            "handle": self.session.handle,
            "preset_id": self.preset.pk,
            "user_id": self.user.pk,
            "verb": "cancel",
            "token": "x" * 43,
            "object_id": self.job.pk,
            "content_type_id": 1,
            "id": self.user.pk,
            "app_label": "downloads",
            "url": "nowhere",
        }

    @property
    def secrets(self) -> list[str]:
        ids = [*(getattr(self, each.name).pk for each in fields(self)), self.delivery.endpoint_id]
        return [MARK, self.file.storage_key, self.key.digest, token_of(self.link.pk), *(str(pk) for pk in ids)]

    def rows_but_keys(self) -> list[Any]:
        """A key that was used, if only to be refused something, says so in its row."""
        theirs = [model.objects.filter(**{owner: self.user}) for model, owner in _OWNER.items()]
        return [sorted(rows.values_list(), key=str) for rows in theirs]

    def rows(self) -> list[Any]:
        return [*self.rows_but_keys(), sorted(ApiKey.objects.filter(owner=self.user).values_list(), key=str)]


_OWNER: dict[Any, str] = {
    Job: "owner",
    MediaFile: "job__owner",
    JobEvent: "job__owner",
    JobLog: "job__owner",
    Probe: "owner",
    Link: "owner",
    Batch: "owner",
    BatchEvent: "owner",
    Downloaded: "owner",
    Endpoint: "owner",
    Delivery: "owner",
    CookieJar: "owner",
    Session: "user",
    Preset: "owner",
    LastChoices: "owner",
}


@pytest.fixture(autouse=True)
def _roots(tmp_path: Path, settings: Settings) -> None:
    settings.DATA_DIR, settings.STORAGE_RESERVE_BYTES = tmp_path, 0
    settings.FILES_ROOT, settings.WORK_ROOT, settings.RUN_ROOT = tmp_path / "files", tmp_path / "work", tmp_path / "run"
    settings.RATE_LIMIT_PER_MINUTE = settings.RATE_LIMIT_PER_HOUR = 1_000_000
    storage.ensure_roots()


@pytest.fixture
def victim(db: None) -> Victim:
    user = UserFactory(username=f"{MARK}-name", is_staff=True, is_superuser=True)
    said = {"title": f"{MARK} title", "tags": [f"{MARK}-tag"], "client_reference": f"{MARK}-reference"}
    batch = BatchFactory(owner=user, title=f"{MARK} batch", url=f"http://{MARK}.example/list")
    BatchEvent.objects.append(batch, "created")
    job = JobFactory(
        owner=user,
        batch=batch,
        playlist_index=1,
        finished=True,
        url=f"http://{MARK}.example/secret",
        host=f"{MARK}.example",
        **said,
    )
    queued = JobFactory(owner=user, url=f"http://{MARK}.example/queued", host=f"{MARK}.example", **said)
    JobLog.objects.append(job, [(timezone.now(), "error", f"{MARK} log line")])
    file = MediaFileFactory(job=job, filename=f"{MARK}.mp4", crc32=0)
    path = storage.path_of(file.storage_key)
    path.parent.mkdir(parents=True)
    path.write_bytes(f"{MARK} bytes".encode())
    key, _ = ApiKey.objects.issue(user, f"{MARK} key", Scope)
    probe = Probe.objects.create(owner=user, kind=ProbeKind.MEDIA, url=job.url, fingerprint="0" * 64)
    link = Link.objects.issue(file, user, timezone.now(), label=f"{MARK} link")
    endpoint, _ = Endpoint.objects.add(user, url=f"https://{MARK}.example/hook", events=["download.queued"])
    delivery = outbox.record_test(endpoint)
    jar = cookies.store(user, f"{MARK}.example\tFALSE\t/\tTRUE\t0\tsession\t{MARK}\n", f"{MARK} cookies")
    in_a_day = timezone.now() + timedelta(days=1)
    session = Session.objects.create(session_key=f"{MARK}key", session_data="", expire_date=in_a_day, user=user)
    return Victim(
        user=user,
        job=job,
        queued=queued,
        file=file,
        key=key,
        probe=probe,
        link=link,
        batch=batch,
        delivery=delivery,
        jar=jar,
        session=session,
        preset=Preset.objects.create(owner=user, name=f"{MARK} preset", options={"quality": "720p"}),
    )


def by_key(plain: str) -> Client:
    return Client(headers={"X-API-Key": plain})


def keyed(user: User, *scopes: Scope, **fields: Any) -> Client:
    key, plain = ApiKey.objects.issue(user, "test", scopes)
    if fields:
        ApiKey.objects.filter(pk=key.pk).update(**fields)
    return by_key(plain)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=_BACKEND)
    return client


def revoked(user: User) -> Client:
    return keyed(user, *Scope, revoked_at=timezone.now())


def expired(user: User) -> Client:
    an_hour_ago = timezone.now() - timedelta(hours=1)
    return keyed(user, *Scope, created_at=an_hour_ago, expires_at=an_hour_ago + timedelta(minutes=1))


def operator() -> User:
    return UserFactory(is_staff=True, is_superuser=True)


# Who comes, made beside the victim, and what each may be told of a victim's row: (reading, changing).
STRANGERS: dict[str, tuple[Callable[[Victim], Client], set[int], set[int]]] = {
    "another user's key": (lambda _: keyed(UserFactory(), Scope.READ, Scope.WRITE), {404}, {404}),
    "another user's key for reading": (lambda _: keyed(UserFactory(), Scope.READ), {404}, {403}),
    "another user's session": (lambda _: signed_in(UserFactory()), {404}, {404}),
    "an operator's key": (lambda _: keyed(operator(), *Scope), {404}, {404}),
    "nobody": (lambda _: Client(), {401}, {401}),
    "a revoked key of the owner": (lambda victim: revoked(victim.user), {401}, {401}),
    "an expired key of the owner": (lambda victim: expired(victim.user), {401}, {401}),
    "a key that is none": (lambda _: by_key("mdl_" + "x" * 60), {401}, {401}),
    "the owner's key in the query": (lambda _: Client(), {401}, {401}),
}
NOT_OFFERED = {405}
NAMES_OF_IDS = ("request_id", "job_id", "file_id", "key_id", "probe_id", "link_id")


def ask(client: Client, verb: str, path: str) -> Any:
    body = "" if verb in {"GET", "HEAD", "TRACE"} else "{}"
    return client.generic(verb, path, body, content_type="application/json")


def leaks(answer: Any, victim: Victim, path: str) -> list[str]:
    shown = answer.getvalue() if answer.streaming else answer.content
    text = f"{dict(answer.items())} {shown.decode('utf-8', 'replace')}"
    return [secret for secret in victim.secrets if secret in text.replace(path, "") and secret not in path]


def test_every_route_is_classified() -> None:
    known = ROWS_BY_KEY | LISTS_BY_KEY | ROWS_BY_SESSION | LISTS_BY_SESSION | OPERATORS | PUBLIC
    found = {route.pattern for route in routes() if not route.is_admin}
    assert found - known == set(), "say in tests/attacks/routes.py whose rows it shows"
    assert known - found == set(), "it is gone: take it out of tests/attacks/routes.py"


@pytest.mark.parametrize("who", STRANGERS)
def test_a_row_of_somebody_else_is_not_there_for_the_api(victim: Victim, who: str) -> None:
    make, reading, changing = STRANGERS[who]
    client, before = make(victim), victim.rows()
    for route in of(ROWS_BY_KEY):
        # Keys need the admin scope, which is refused before any row is looked for.
        too = {403} if "keys/" in route.pattern and who.startswith("another user's key") else set()
        path = route.path(victim.values)
        for verb in VERBS:
            answer = ask(client, verb, path)
            allowed = (reading if verb in READING else changing) | too | NOT_OFFERED
            if verb == "OPTIONS" and reading == {404}:
                allowed |= {200}
            assert answer.status_code in allowed, (verb, path, answer.status_code)
            assert leaks(answer, victim, path) == [], (verb, path)
    assert victim.rows() == before


@pytest.mark.parametrize("who", ["another user's key", "another user's session", "an operator's key"])
def test_a_row_of_somebody_else_looks_like_one_that_never_was(victim: Victim, who: str) -> None:
    client = STRANGERS[who][0](victim)
    never = (
        victim.values | {name: uuid.uuid4() for name in victim.values if name.endswith("_id")} | {"handle": "0" * 32}
    )
    rows = of(ROWS_BY_SESSION if "session" in who else ROWS_BY_KEY)
    for route in rows:
        for verb in ("GET", "POST", "PATCH", "DELETE"):
            there, nowhere = (ask(client, verb, route.path(values)) for values in (victim.values, never))
            assert comparable(there) == comparable(nowhere), (verb, route.pattern)


def comparable(answer: Any) -> tuple[int, list[str], str]:
    return answer.status_code, sorted(dict(answer.items())), _PER_REQUEST.sub("", answer.content.decode())


def test_the_owner_reaches_every_row_of_the_same_matrix(victim: Victim) -> None:
    """So that a 404 above means somebody else's, and not a wrong address."""
    client = keyed(victim.user, *Scope)
    for route in of(ROWS_BY_KEY):
        answers = [ask(client, verb, route.path(victim.values)).status_code for verb in ("GET", "POST")]
        assert set(answers) & {200, 201, 202, 204, 400, 409}, (route.pattern, answers)


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SUBMIT])
def test_a_key_of_a_lesser_scope_does_no_more(victim: Victim, scope: Scope) -> None:
    client, before = keyed(victim.user, scope), victim.rows_but_keys()
    verbs, taken = (set(VERBS) - READING, READS_BY_POST) if scope == Scope.READ else (set(VERBS), {"api/v1/download"})
    for route in [*of(ROWS_BY_KEY), *of(LISTS_BY_KEY)]:
        for verb in verbs:
            answer = ask(client, verb, route.path(victim.values))
            allowed = {400} if verb == "POST" and route.pattern in taken else {403, 405}
            assert answer.status_code in allowed, (verb, route.pattern, answer.status_code)
    assert victim.rows_but_keys() == before


@pytest.mark.parametrize("who", ["another user's key", "another user's session", "an operator's key"])
def test_lists_of_the_api_hold_ones_own_only(victim: Victim, who: str) -> None:
    client = STRANGERS[who][0](victim)
    queries = ["", "?q=zq7", f"?tag={MARK[:5]}", "?status=completed", "?ordering=-created_at", "?limit=100"]
    for route in of(LISTS_BY_KEY):
        for query in queries:
            path = route.path(victim.values) + query
            answer = ask(client, "GET", path)
            assert answer.status_code in {200, 400, 403, 405}, (path, answer.status_code)
            assert leaks(answer, victim, path) == [], path


@pytest.mark.parametrize("who", ["nobody", "a revoked key of the owner", "an expired key of the owner"])
def test_lists_of_the_api_need_a_key(victim: Victim, who: str) -> None:
    client = STRANGERS[who][0](victim)
    for route in [*of(LISTS_BY_KEY), *of(OPERATORS)]:
        for verb in VERBS:
            answer = ask(client, verb, route.path(victim.values))
            assert answer.status_code in {401, 405}, (verb, route.pattern, answer.status_code)
            assert leaks(answer, victim, "-") == []


def test_pages_of_somebody_elses_rows_are_not_there(victim: Victim) -> None:
    client, before = signed_in(UserFactory()), victim.rows()
    verbs = [*words.BY_VERB, "cancel", "delete", "nonsense"]
    paths = {route.path(victim.values | {"verb": verb}) for route in of(ROWS_BY_SESSION) for verb in verbs}
    for path in sorted(paths):
        for verb in VERBS:
            answer = ask(client, verb, path)
            assert answer.status_code in {404, 405}, (verb, path, answer.status_code)
            assert leaks(answer, victim, path) == [], (verb, path)
    assert victim.rows() == before


@pytest.mark.parametrize("who", ["nobody", "another user's key", "a revoked key of the owner", "an operator's key"])
def test_pages_are_for_those_who_have_signed_in(victim: Victim, who: str) -> None:
    client, before = STRANGERS[who][0](victim), victim.rows_but_keys()
    for route in [*of(ROWS_BY_SESSION), *of(LISTS_BY_SESSION)]:
        for verb in VERBS:
            path = route.path(victim.values)
            answer = ask(client, verb, path)
            assert answer.status_code in {302, 401, 405}, (verb, path, answer.status_code)
            assert answer.status_code != 302 or "/accounts/sign-in/" in answer["Location"]
            assert leaks(answer, victim, path) == [], (verb, path)
    assert victim.rows_but_keys() == before


def test_lists_on_pages_hold_ones_own_only(victim: Victim) -> None:
    client = signed_in(UserFactory())
    for route in of(LISTS_BY_SESSION):
        for query in ("", "?q=zq7", "?status=completed", "?page=1"):
            path = route.path(victim.values) + query
            assert leaks(ask(client, "GET", path), victim, path) == [], path


def test_ticking_somebody_elses_rows_does_nothing(victim: Victim) -> None:
    client, before = signed_in(UserFactory()), victim.rows()
    ticks = [str(victim.job.pk), str(victim.queued.pk)]
    for verb in ("cancel", "retry", "keep", "pause", "resume", "delete"):
        for name in ("job", "jobs", "id", "ids", "selected", "tick"):
            answer = client.post("/library/selection", {"verb": verb, name: ticks}, follow=True)
            assert leaks(answer, victim, "-") == [], (verb, name)
    assert victim.rows() == before


@pytest.mark.parametrize("who", ["nobody", "another user's key", "another user's session", "an operator's key"])
def test_the_admin_is_for_operators_who_have_signed_in(victim: Victim, who: str) -> None:
    client, before = STRANGERS[who][0](victim), victim.rows_but_keys()
    for route in [route for route in routes() if route.is_admin]:
        path = route.path(victim.values)
        for verb in ("GET", "POST"):
            answer = ask(client, verb, path)
            is_sign_in = path in {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}
            assert is_sign_in or answer.status_code in {302, 301, 403, 404, 405}, (verb, path, answer.status_code)
            assert leaks(answer, victim, path) == [], (verb, path)
    assert victim.rows_but_keys() == before


def test_a_file_is_not_had_by_its_place_on_the_disk(victim: Victim) -> None:
    """The web server's own handle for bytes is no address."""
    for client in (Client(), keyed(UserFactory(), *Scope), signed_in(UserFactory())):
        for path in (f"/_protected/{victim.file.storage_key}", f"/files/{victim.file.storage_key}", "/static/../data"):
            assert client.get(path).status_code == 404


def test_patterns_of_the_admin_can_be_made_into_addresses(victim: Victim) -> None:
    paths = [route.path(victim.values) for route in routes()]
    assert len(paths) == len(set(routes()))
    assert not [path for path in paths if set(path) & set("<>()^$?")], paths
    assert Route(pattern="a/<uuid:key_id>").path(victim.values) == f"/a/{victim.key.pk}"
