from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError, connection
from django.http import Http404, HttpRequest
from django.test import Client, RequestFactory

from downloads.web import errors

PROBLEM = "application/problem+json"


def request(path: str) -> HttpRequest:
    found = RequestFactory().get(path)
    found.request_id = "0123456789"  # type: ignore[attr-defined]  # what the middleware adds
    return found


ANSWERS = [
    (lambda asked: errors.bad_request(asked, SuspiciousOperation("no")), 400),
    (lambda asked: errors.bad_request(asked, RequestDataTooBig("no")), 413),
    (lambda asked: errors.permission_denied(asked, PermissionDenied()), 403),
    (lambda asked: errors.csrf_failure(asked, reason="Referer checking failed"), 403),
    (lambda asked: errors.not_found(asked, Http404()), 404),
    (lambda asked: errors.method_not_allowed(asked, "POST"), 405),
    (errors.server_error, 500),
    (errors.service_unavailable, 503),
]


@pytest.mark.parametrize(("view", "status"), ANSWERS)
def test_people_get_a_page(view: object, status: int) -> None:
    """None of these tests may touch the database: it may be what failed."""
    answer = view(request("/jobs/x"))  # type: ignore[operator]
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/html")
    assert errors.TITLES[status] in answer.content.decode()
    assert "0123456789" in answer.content.decode()
    assert "Referer" not in answer.content.decode()


@pytest.mark.parametrize(("view", "status"), ANSWERS)
def test_programs_get_a_problem_document(view: object, status: int) -> None:
    answer = view(request("/api/v1/download"))  # type: ignore[operator]
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM)
    assert b'"request_id": "0123456789"' in answer.content


def test_a_name_that_is_not_the_servers_is_told_from_other_mistakes(db: None) -> None:
    """What somebody sees who has put it behind another name."""
    answer = Client().get("/", headers={"Host": "media.example.org"})
    assert answer.status_code == 400
    assert "This server does not go by the name in the address." in answer.text
    assert "media.example.org" not in answer.text


def test_says_when_to_come_back() -> None:
    assert errors.service_unavailable(request("/"))["Retry-After"] == "5"


def test_an_address_that_leads_nowhere_has_a_page_without_a_query(db: None) -> None:
    with connection.execute_wrapper(refuse):
        answer = Client().get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def refuse(*_: object) -> None:
    raise AssertionError("the page of an error asked the database")


def test_a_form_without_its_token_is_refused_with_a_page(db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/theme", {"theme": "dark"})
    assert answer.status_code == 403
    assert "The form was too old" in answer.text


def test_where_only_forms_lead_a_page_says_so(page: Client) -> None:
    """Whoever had to sign in again while sending one comes back there."""
    answer = page.get("/accounts/keys/new/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "Only forms lead to this address." in answer.text
    assert page.post("/help").status_code == 405


@pytest.mark.parametrize(
    ("view", "offers"), [(errors.service_unavailable, True), (lambda asked: errors.not_found(asked, Http404()), False)]
)
def test_what_may_go_well_later_can_be_tried_again(view: object, offers: bool) -> None:
    answer = view(request("/library?q=a&status=failed")).content.decode()  # type: ignore[operator]
    assert ('href="/library?q=a&amp;status=failed"' in answer) is offers


def test_an_error_is_told_while_the_database_is_away_to_whoever_is_signed_in(page: Client) -> None:
    """Nothing of the page asks who that is."""
    with connection.execute_wrapper(unreachable):
        answer = page.get("/library")
    assert answer.status_code == 503
    assert "One moment, please" in answer.text


def unreachable(*_: object) -> None:
    raise OperationalError("the server closed the connection unexpectedly")
