"""/s/TOKEN: who has a link has the file, and nobody else."""

from __future__ import annotations

import base64
import random
import string
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from downloads import links
from downloads.links import address_of, link_id_of, token_of
from downloads.models import Link, LinkVisit, MediaFile
from tests.factories import MediaFileFactory, row

pytestmark = [pytest.mark.promise("S11"), pytest.mark.django_db]

ALPHABET = string.ascii_letters + string.digits + "-_"
KEYS = ["first-key-of-the-tests-0123456789abcdef", "second-key-of-the-tests-0123456789abcde"]


@pytest.fixture(autouse=True)
def keys(settings: Settings) -> None:
    settings.LINK_KEYS = KEYS[:1]


@pytest.fixture
def link() -> Link:
    file = MediaFileFactory()
    return Link.objects.issue(file, file.job.owner, timezone.now())


def path_of(link: Link) -> str:
    return f"/s/{token_of(link.pk)}/clip.mp4"


def fetch(link: Link, client: Client | None = None, **headers: str) -> Any:
    return (client or Client()).get(path_of(link), headers=headers)


def code_of(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()["code"]


# --- What is given --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "/clip.mp4", "/another%20name.mp4"])
def test_hands_the_bytes_to_the_layer_that_sends_them(link: Link, name: str) -> None:
    answer = Client().get(f"/s/{token_of(link.pk)}{name}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["X-Accel-Redirect"] == f"/_protected/{link.file.storage_key}"
    assert answer["X-Accel-Owner"] == f"link:{link.pk}"
    assert answer["ETag"] == link.file.etag
    assert "sessionid" not in answer.cookies
    assert row(Link, link.pk).download_count == 1


def test_is_inert_kept_by_no_cache_and_told_to_no_other_site(link: Link) -> None:
    answer = fetch(link)
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "noindex" in answer["X-Robots-Tag"]


@pytest.mark.parametrize(
    ("mime_type", "disposition"),
    [("video/mp4", "inline"), ("image/svg+xml", "attachment"), ("text/html", "attachment")],
)
def test_only_what_carries_no_script_is_shown_in_place(link: Link, mime_type: str, disposition: str) -> None:
    MediaFile.objects.filter(pk=link.file_id).update(mime_type=mime_type)
    answer = Client().get(path_of(link) + "?inline=1&utm_source=chat")
    assert answer["Content-Disposition"].startswith(f"{disposition};")
    assert answer["Content-Type"] in {"video/mp4", "application/octet-stream"}


def test_the_head_takes_no_download(link: Link) -> None:
    answer = Client().head(path_of(link))
    assert "X-Accel-Redirect" in answer
    assert row(Link, link.pk).download_count == 0


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_done_to_it(link: Link, method: str) -> None:
    assert getattr(Client(), method)(path_of(link)).status_code == 405


def test_its_address_names_the_file(link: Link, settings: Settings) -> None:
    settings.PUBLIC_BASE_URL = "https://media.example.org"
    link.file.filename = "a b/ü?.mp4"
    assert address_of(link) == f"https://media.example.org/s/{token_of(link.pk)}/a%20b%2F%C3%BC%3F.mp4"


# --- What is refused ------------------------------------------------------------------------------------------------


def mutations(token: str, count: int) -> list[str]:
    """Other tokens: changed, shortened, lengthened, shuffled, in another case or form."""
    dice = random.Random(7)
    made = [
        token[:-1],
        token + "A",
        token + "=",
        token + "==",
        token.swapcase(),
        token[::-1],
        f" {token}",
        f"{token}\n",
    ]
    made += [token.replace("-", "+").replace("_", "/") + "!", token[:32] + "." + token[32:], "A" * 64, "", "%00" * 8]
    for position in range(len(token)):
        bits = ALPHABET.index(token[position]) if token[position] in ALPHABET else 0
        made += [token[:position] + ALPHABET[bits ^ 1] + token[position + 1 :]]
        made += [token[:position] + ALPHABET[bits ^ 32] + token[position + 1 :]]
    while len(made) < count:
        a, b = sorted(dice.sample(range(len(token)), 2))
        made.append(token[:a] + token[b] + token[a + 1 : b] + token[a] + token[b + 1 :])
        made.append(token[:a] + dice.choice(ALPHABET) + token[a + 1 :])
        raw = bytearray(base64.urlsafe_b64decode(token))
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        made.append(base64.urlsafe_b64encode(raw).decode())
    return [mutated for mutated in made if mutated != token]


def test_of_400_mutated_tokens_none_is_accepted(
    link: Link, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.LINK_KEYS = KEYS
    mutated = mutations(token_of(link.pk), 450)
    assert len(set(mutated)) >= 400
    with django_assert_num_queries(0):
        assert [token for token in mutated if link_id_of(token) is not None] == []


def test_a_token_that_was_never_made_is_told_so_without_a_look_for_it(
    link: Link, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = Client()
    for token in mutations(token_of(link.pk), 30):
        answer = client.get(f"/s/{quote(token, safe='')}")
        assert answer.status_code == 404, token
        assert "X-Accel-Redirect" not in answer
    with django_assert_num_queries(1):  # the address pays for it
        assert code_of(client.get(f"/s/{'A' * 64}")) == (404, "not_found")
    assert row(Link, link.pk).download_count == 0


def test_a_token_of_a_link_that_is_no_more_leads_nowhere(link: Link) -> None:
    path = path_of(link)
    link.delete()
    assert code_of(Client().get(path)) == (404, "not_found")


def test_says_why_a_link_is_closed(link: Link) -> None:
    links = Link.objects.filter(pk=link.pk)
    links.update(revoked_at=timezone.now())
    assert code_of(fetch(link)) == (410, "link_revoked")
    assert Client().head(path_of(link)).status_code == 410
    an_hour_ago = timezone.now() - timedelta(hours=1)
    links.update(revoked_at=None, created_at=an_hour_ago, expires_at=an_hour_ago + timedelta(minutes=1))
    assert code_of(fetch(link)) == (410, "link_expired")
    links.update(expires_at=timezone.now() + timedelta(hours=1), max_downloads=1, download_count=1)
    assert code_of(fetch(link)) == (410, "link_used_up")
    assert code_of(fetch(link, Range="bytes=5-")) == (410, "link_used_up")
    links.update(max_downloads=None)
    MediaFile.objects.mark_deleted()
    assert code_of(fetch(link)) == (410, "file_expired")


def test_the_links_of_somebody_who_may_not_come_in_any_more_are_closed(link: Link) -> None:
    link.owner.is_active = False
    link.owner.save()
    assert code_of(fetch(link)) == (410, "link_revoked")


def test_people_are_told_by_a_page(link: Link) -> None:
    link.revoke(timezone.now())
    answer = fetch(link, Accept="text/html,*/*;q=0.8")
    assert answer.status_code == 410
    assert "This link leads nowhere any more" in answer.text
    assert answer["Referrer-Policy"] == "no-referrer"
    assert token_of(link.pk) not in answer.text


def test_is_limited_for_each_address(link: Link, settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1
    statuses = [fetch(link).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    refusal = fetch(link)
    assert code_of(refusal) == (429, "rate_limit_exceeded")
    assert int(refusal["Retry-After"]) >= 1
    assert Client(REMOTE_ADDR="198.51.100.7").get(path_of(link)).status_code == 200


# --- Counting -------------------------------------------------------------------------------------------------------


def test_parts_go_on_with_what_their_address_has_begun(link: Link) -> None:
    Link.objects.filter(pk=link.pk).update(max_downloads=1)
    assert fetch(link).status_code == 200
    for part in ("bytes=3-", "bytes=0-", "bytes=-2", "bytes=0-1"):
        assert fetch(link, Range=part).status_code == 200
    assert fetch(link).status_code == 410
    assert fetch(link, Client(REMOTE_ADDR="198.51.100.7"), Range="bytes=3-").status_code == 410


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-1"}], ids=["whole", "part"])
def test_a_link_that_goes_while_it_is_followed_was_never_there(
    link: Link, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = links.link_of(token_of(link.pk))
    monkeypatch.setattr(links, "link_of", lambda _: found)
    link.file.job.delete()
    assert code_of(fetch(link, None, **headers)) == (404, "not_found")
    assert not LinkVisit.objects.exists()


def test_nobodys_address_is_kept(link: Link) -> None:
    fetch(link, Client(REMOTE_ADDR="198.51.100.7"))
    assert "198.51.100.7" not in str(list(link.visits.values()))


# --- Keys -----------------------------------------------------------------------------------------------------------


def test_a_link_outlives_the_change_of_keys_for_as_long_as_its_key_is_listed(link: Link, settings: Settings) -> None:
    old = token_of(link.pk)
    settings.LINK_KEYS = [KEYS[1], KEYS[0]]
    assert token_of(link.pk) != old
    assert link_id_of(old) == link_id_of(token_of(link.pk)) == link.pk
    settings.LINK_KEYS = [KEYS[1]]
    assert link_id_of(old) is None


def test_the_token_is_not_in_the_database(link: Link) -> None:
    token = token_of(link.pk)
    assert not [value for value in Link.objects.values().get().values() if token in str(value)]


def test_links_are_not_signed_by_the_secret_key(link: Link, settings: Settings) -> None:
    token = token_of(link.pk)
    settings.SECRET_KEY = "x" * 50
    assert link_id_of(token) == link.pk
