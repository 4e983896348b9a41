from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.limits import Policy, decide
from accounts.models import SignInLink, User
from accounts.views import SIGN_INS_PER_MINUTE
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.promise("S13")

SIGN_IN = "/accounts/sign-in/"
HERE, ELSEWHERE = "203.0.113.1", "198.51.100.7"


def sign_in(client: Client, username: str = "ada", password: str = PASSWORD, remote: str = HERE, **fields: str) -> Any:
    data = {"username": username, "password": password, **fields}
    return client.post(SIGN_IN, data, REMOTE_ADDR=remote)


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


# --- By password ------------------------------------------------------------------------------------------------
def test_the_page_asks_for_name_and_password(client: Client, db: None) -> None:
    answer = client.get(SIGN_IN)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_right_password_leads_home(client: Client, user: User) -> None:
    answer = sign_in(client)
    assert answer.status_code == 302
    assert answer.headers["Location"] == reverse("home")
    assert is_signed_in(client)


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(client: Client, user: User) -> None:
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    User.objects.create_user("bare")
    User.objects.anonymous()
    pages = set()
    for username, password in [
        ("ada", "wrong"),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("bare", "!"),
        ("anonymous", "!"),
    ]:
        answer = sign_in(client, username, password)
        assert answer.status_code == 400
        pages.add(without_tokens(answer, username))
    assert len(pages) == 1
    assert "do not match" in pages.pop()
    assert not is_signed_in(client)


def without_tokens(answer: Any, username: str) -> str:
    lines = answer.content.decode().replace(username, "NAME").splitlines()
    return "\n".join(line for line in lines if "csrfmiddlewaretoken" not in line)


@pytest.mark.parametrize("data", [{}, {"username": "ada"}, {"username": "ada\0", "password": "x"}])
def test_an_incomplete_form_is_shown_again(client: Client, user: User, data: dict[str, str]) -> None:
    assert client.post(SIGN_IN, data).status_code == 400


def test_signing_in_needs_csrf(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    assert sign_in(client).status_code == 403
    assert not is_signed_in(client)


def test_signing_in_gives_a_new_session(client: Client, user: User) -> None:
    client.session["theme"] = "dark"
    before = client.session.session_key
    sign_in(client)
    assert client.session.session_key != before


def test_who_is_signed_in_already_goes_on(client: Client, user: User) -> None:
    client.force_login(user)
    assert client.get(SIGN_IN, {"next": "/library"}).headers["Location"] == "/library"


@pytest.mark.parametrize(
    ("asked", "goes_to"),
    [
        ("/library?q=a", "/library?q=a"),
        ("http://testserver/library", "http://testserver/library"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("http://testserver@evil.example/", "/"),
        ("", "/"),
    ],
)
def test_goes_on_only_to_a_page_of_this_server(client: Client, user: User, asked: str, goes_to: str) -> None:
    shown = client.get(SIGN_IN, {"next": asked}).content.decode()
    assert f'name="next" value="{"" if goes_to == "/" else goes_to}"' in shown
    assert sign_in(client, next=asked).headers["Location"] == goes_to


def test_pages_of_ones_own_lead_to_sign_in_and_back(client: Client, user: User) -> None:
    answer = client.get("/accounts/keys/")
    assert answer.headers["Location"] == "/accounts/sign-in/?next=/accounts/keys/"
    assert sign_in(client, next="/accounts/keys/").headers["Location"] == "/accounts/keys/"


# --- Lock-out ---------------------------------------------------------------------------------------------------
@pytest.fixture
def three_tries(settings: Settings) -> None:
    settings.AXES_FAILURE_LIMIT = 3


def test_a_name_is_locked_after_so_many_failures_from_one_address(
    client: Client, user: User, three_tries: None
) -> None:
    statuses = [sign_in(client, password="wrong").status_code for _ in range(3)]
    assert statuses == [400, 400, 429]
    answer = sign_in(client)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) == 15 * 60
    assert "15 minutes" in answer.content.decode()
    assert not is_signed_in(client)


def test_nobody_can_lock_the_owner_out_from_elsewhere(client: Client, user: User, three_tries: None) -> None:
    for _ in range(10):
        sign_in(Client(), password="wrong", remote=ELSEWHERE)
    assert sign_in(client, remote=HERE).status_code == 302


def test_another_browser_at_the_same_address_is_no_way_round(client: Client, user: User, three_tries: None) -> None:
    for number in range(3):
        Client(headers={"User-Agent": f"agent {number}"}).post(
            SIGN_IN, {"username": "ada", "password": "wrong"}, REMOTE_ADDR=HERE
        )
    assert sign_in(client).status_code == 429


def test_other_names_at_the_same_address_go_on(client: Client, user: User, other: User, three_tries: None) -> None:
    for _ in range(4):
        sign_in(Client(), "ada", "wrong")
    assert sign_in(client, "eve").status_code == 302


def test_a_locked_name_looks_the_same_whether_it_exists_or_not(user: User, three_tries: None) -> None:
    for name in ("ada", "nobody"):
        answers = [sign_in(Client(), name, "wrong") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [400, 400, 429, 429]


def test_a_success_forgets_the_failures_before_it(client: Client, user: User, three_tries: None) -> None:
    for password in ("wrong", "wrong", PASSWORD, "wrong", "wrong"):
        status = sign_in(Client(), password=password).status_code
        assert status != 429


def test_addresses_of_one_ipv6_customer_count_as_one(client: Client, user: User, three_tries: None) -> None:
    for number in range(3):
        sign_in(Client(), password="wrong", remote=f"2001:db8:1:2::{number + 1}")
    assert sign_in(client, remote="2001:db8:1:2:ffff::1").status_code == 429
    assert sign_in(client, remote="2001:db8:1:3::1").status_code == 302


def test_guessing_many_names_from_one_address_is_slowed(user: User) -> None:
    policy = Policy.of("sign-in", SIGN_INS_PER_MINUTE)
    for _ in range(SIGN_INS_PER_MINUTE):
        decide(policy, [f"address:{HERE}"])
    assert sign_in(Client(), "another", "wrong").status_code == 429
    assert sign_in(Client(), "another", "wrong", remote=ELSEWHERE).status_code == 400


# --- By link ----------------------------------------------------------------------------------------------------
@pytest.fixture
def newcomer(db: None) -> User:
    return User.objects.create_user("newcomer")


def link(user: User) -> str:
    return reverse("accounts:sign_in_link", args=[SignInLink.objects.issue(user, timedelta(hours=1))])


def test_looking_at_a_link_uses_nothing_up(client: Client, newcomer: User) -> None:
    address = link(newcomer)
    for _ in range(3):
        assert client.get(address).status_code == 200
        assert client.head(address).status_code == 405
    assert not is_signed_in(client)
    assert client.post(address).status_code == 302
    assert is_signed_in(client)


def test_a_link_works_once(newcomer: User) -> None:
    address = link(newcomer)
    Client().post(address)
    late = Client()
    assert late.get(address).status_code == 404
    answer = late.post(address)
    assert answer.status_code == 404
    assert "does not work" in answer.content.decode()
    assert not is_signed_in(late)


def test_an_invented_link_looks_like_a_used_one(client: Client, newcomer: User) -> None:
    used = link(newcomer)
    client.post(used)
    pages = {without_tokens(Client().get(address), address) for address in (used, used[:-3] + "xx/")}
    assert len(pages) == 1


def test_a_link_leads_whoever_has_no_password_to_choose_one(client: Client, newcomer: User) -> None:
    answer = client.post(link(newcomer))
    assert answer.headers["Location"] == "/accounts/password/"
    assert ["Choose a password" in str(message) for message in get_messages(answer.wsgi_request)] == [True]


def test_a_link_leads_everybody_else_home(client: Client, user: User) -> None:
    assert client.post(link(user)).headers["Location"] == "/"


def test_a_link_needs_csrf(newcomer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post(link(newcomer)).status_code == 403
    assert SignInLink.objects.filter(used_at=None).exists()


def test_a_link_helps_where_the_name_is_locked(client: Client, user: User, three_tries: None) -> None:
    for _ in range(4):
        sign_in(Client(), password="wrong")
    client.post(link(user), REMOTE_ADDR=HERE)
    assert is_signed_in(client)


# --- Signing out ------------------------------------------------------------------------------------------------
def test_signing_out_ends_the_session(page: Client) -> None:
    assert page.post("/accounts/sign-out/").headers["Location"] == SIGN_IN
    assert not is_signed_in(page)


def test_a_link_to_sign_out_does_nothing(page: Client) -> None:
    assert page.get("/accounts/sign-out/").status_code == 405
    assert is_signed_in(page)


def test_signing_out_twice_is_harmless(page: Client) -> None:
    page.post("/accounts/sign-out/")
    assert page.post("/accounts/sign-out/").status_code == 302
