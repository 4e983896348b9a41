"""The API's description: whole, in step with the code and with docs/openapi.json, and readable without the network."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from drf_spectacular.validation import validate_schema
from jsonschema_rs import Draft202012Validator

from downloads.api import examples
from downloads.api.problem import TITLES
from downloads.api.requests import DownloadRequestSerializer
from tests.api.conftest import Api
from tests.described import UndescribedAnswerError, check

CHECKED_IN = Path(django_settings.BASE_DIR) / "docs" / "openapi.json"
METHODS = {"get", "post", "put", "patch", "delete"}
PROMISED = {
    "POST /download",
    "GET /download",
    "GET /download/{}",
    "DELETE /download/{}",
    "GET /download/{}/logs",
    "GET /download/{}/events",
    "POST /download/{}/pause",
    "POST /download/{}/resume",
    "POST /download/{}/retry",
    "POST /download/{}/keep",
    "GET /events",
    "GET /files/{}",
    "GET /files/{}/links",
    "POST /files/{}/links",
    "GET /links/{}",
    "DELETE /links/{}",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /stats",
    "GET /metrics",
    "GET /me",
    "GET /keys",
    "POST /keys",
    "GET /webhooks",
    "POST /webhooks",
    "POST /webhooks/for-requests",
    "PATCH /webhooks/{}",
    "DELETE /webhooks/{}",
    "POST /webhooks/{}/rotate",
    "POST /webhooks/{}/test",
    "GET /webhooks/{}/deliveries",
    "POST /webhooks/{}/deliveries/{}/redeliver",
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    target = tmp_path_factory.mktemp("schema") / "openapi.json"
    call_command("spectacular", "--fail-on-warn", "--validate", format="openapi-json", file=str(target))
    made: dict[str, Any] = json.loads(target.read_text())
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS & set(item):
            yield f"{method.upper()} {re.sub('{.*?}', '{}', path.removeprefix('/api/v1'))}", item[method]


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """Of a part, with its references."""
    return Draft202012Validator({**schema, "components": document["components"]})


def test_is_checked_in_as_it_is_made(document: dict[str, Any]) -> None:
    """When this fails on purpose: manage.py spectacular --format openapi-json --file docs/openapi.json."""
    assert json.loads(CHECKED_IN.read_text()) == document


def test_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate_schema(document)  # type: ignore[no-untyped-call]  # drf-spectacular has no types here


def test_is_served(anybody: Api, document: dict[str, Any]) -> None:
    answer = anybody.client.get("/api/openapi.json")
    assert answer.status_code == 200
    assert json.loads(answer.content) == document


def test_has_every_operation_that_is_promised(document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} >= PROMISED


def test_says_of_each_operation_what_it_does_and_gives_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if name.startswith(("GET /keys", "POST /keys", "PATCH /keys", "DELETE /keys", "GET /me")):
            continue  # described where they are, in accounts
        assert operation["summary"], name
        assert len(operation["description"]) > 10, name
        assert "example" in json.dumps(operation) or "204" in operation["responses"], name


def test_every_operation_that_creates_can_be_repeated_safely(document: dict[str, Any]) -> None:
    """The view's method is decorated with downloads.api.idempotency.idempotent."""
    created = {name: operation for name, operation in operations(document) if "201" in operation["responses"]}
    assert created.keys() >= {"POST /download", "POST /keys"}
    for name, operation in created.items():
        assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}, name
        assert {"409", "422"} <= set(operation["responses"]), name


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        is_open = name.startswith("GET /health")
        expected = {"400", "405", "500", "503"} | (set() if is_open else {"401", "403", "404", "429"})
        assert expected <= set(operation["responses"]), name
        for status, response in operation["responses"].items():
            if status >= "400" and not (is_open and status == "503"):
                assert response == {"$ref": f"#/components/responses/Problem{status}"}, name
    for response in document["components"]["responses"].values():
        assert list(response["content"]) == ["application/problem+json"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/me", 418),
        ("HEAD", "/api/v1/files/1", 409),
        ("GET", "/api/v1/files/1/a%20clip.mp4", 507),
        ("POST", "/api/v1/download/1/retry", 504),
    ],
)
def test_an_answer_that_is_not_listed_fails_whatever_test_gets_it(method: str, path: str, status: int) -> None:
    with pytest.raises(UndescribedAnswerError):
        check(method, path, status)


def test_statuses_have_codes_that_are_explained(document: dict[str, Any]) -> None:
    for name, response in document["components"]["responses"].items():
        (code,) = response["content"]["application/problem+json"]["examples"]
        assert code in TITLES, name


@pytest.mark.parametrize("path", ["/download/{}/retry", "/download/{}/pause", "/batch/{}/retry", "/download"])
def test_bodies_that_cannot_be_read_are_listed_wherever_one_may_be_sent(
    path: str, document: dict[str, Any], api: Api
) -> None:
    listed = dict(operations(document))[f"POST {path}"]["responses"]
    assert {"408", "413", "415"} <= listed.keys()
    assert api.post_text(path.format(uuid.uuid4()), "a", "text/plain").status_code == 415
    assert api.post_text(path.format(uuid.uuid4()), "x" * 2_000_000).status_code == 413


def test_examples_are_what_they_are_examples_of(document: dict[str, Any]) -> None:
    resolved = validator(document, {"$ref": "#/components/schemas/DownloadRequest"})
    for request in (examples.REQUEST, examples.AUDIO_REQUEST):
        assert resolved.is_valid(request)
        assert DownloadRequestSerializer(data=request).is_valid()
    for _, operation in operations(document):
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    validator(document, content["schema"]).validate(example["value"])
    for response in document["components"]["responses"].values():
        content = response["content"]["application/problem+json"]
        for example in content["examples"].values():
            validator(document, content["schema"]).validate(example["value"])
            assert example["value"]["code"] in TITLES


def test_requests_are_closed(document: dict[str, Any]) -> None:
    for name in ("DownloadRequest", "KeepRequest"):
        schema = document["components"]["schemas"][name]
        assert schema["additionalProperties"] is False
    assert not validator(document, {"$ref": "#/components/schemas/DownloadRequest"}).is_valid(
        {"url": "https://example.com", "format": "best"}
    )


def test_answers_are_as_described(api: Api, document: dict[str, Any], user: Any) -> None:
    from tests.factories import JobFactory, MediaFileFactory

    job = JobFactory(owner=user, finished=True, metadata={"id": "1", "tags": ["a"], "view_count": 5})
    MediaFileFactory(job=job)
    JobFactory(owner=user, broken=True)
    JobFactory(owner=user, running=True, stage="downloading")
    for path, schema in [
        ("/download", "DownloadList"),
        (f"/download/{job.pk}", "Download"),
        (f"/download/{job.pk}/logs", "Logs"),
        ("/health", "Health"),
        ("/stats", "Stats"),
    ]:
        validator(document, {"$ref": f"#/components/schemas/{schema}"}).validate(api.get(path).json())


def test_describes_every_field_of_an_answer(api: Api, document: dict[str, Any], job: Any) -> None:
    body = api.get(f"/download/{job.pk}").json()
    assert set(body) == set(document["components"]["schemas"]["Download"]["properties"])


# --- Pages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
def test_is_readable_from_our_own_files_only(client: Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/html")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith("/") and not address.startswith("//") for address in addresses), addresses
    assert "<script>" not in page
    assert "<style" not in page
    assert "unsafe" not in answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/api/docs?script", "/api/docs?script&lang=</script>"])
def test_what_starts_the_page_is_a_script(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer["Content-Type"].startswith("application/javascript")
    assert "</script>" not in answer.content.decode()


def test_the_pages_take_no_other_method(client: Client) -> None:
    for path in ("/api/docs", "/api/redoc", "/api/openapi.json"):
        assert client.post(path).status_code == 405


def test_reading_the_description_costs_no_rate(client: Client, document: dict[str, Any], db: None) -> None:
    assert "RateLimit" not in client.get("/api/openapi.json")
