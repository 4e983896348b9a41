"""schemathesis over the whole description, against the real WSGI application: every check, no failure.

What no schema can say is taken out of what it makes up: which URLs are real hosts, that a clip ends after it starts,
which cookies there are, and what their text is like. test_bad_input and test_cookies have those.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.conf import settings as django_settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from pytest_django import Settings
from schemathesis.config import SchemathesisConfig

from accounts.models import Scope, User
from downloads import addresses
from downloads.api.query import LONGEST_WAIT_SECONDS
from downloads.api.requests import MAX_CLIP_SECONDS
from mediadl.wsgi import application
from tests.api.conftest import URL, key_of
from tests.factories import JobFactory

pytestmark = pytest.mark.promise("S15")

CHECKED_IN = Path(django_settings.BASE_DIR) / "docs" / "openapi.json"
ONLY_IN_FORM = {
    "cookies_id": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE),
    "expires_at": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt].*"),
    "date_after": re.compile(r"[0-9]{8}"),
    "date_before": re.compile(r"[0-9]{8}"),
    "max_duration": re.compile(r"[0-9]{1,8}"),
    "max_views": re.compile(r"[0-9]{1,18}"),
}
COOKIES = "site.example\tFALSE\t/\tTRUE\t4102444800\tname\tvalue\n"
EXAMPLES = 6
CONFIG = {
    "seed": 1,
    "generation": {"with-security-parameters": False, "allow-x00": False, "deterministic": True, "database": "none"},
    "checks": {
        "max_response_time": 5,
        "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", "404", "409", "410", "422"]},
    },
}

schema = schemathesis.openapi.from_path(CHECKED_IN, config=SchemathesisConfig.from_dict(CONFIG))
schema.app = application
turns = itertools.cycle(("nothing", "queued", "nothing", "running", "finished", "nothing", "broken"))


def tame(case: Any, user: User) -> None:
    """A job that is there, now and then, and nothing that only we could know to be wrong."""
    trait = next(turns)
    if trait != "nothing" and "request_id" in (case.path_parameters or {}):
        job = JobFactory(owner=user, **({} if trait == "queued" else {trait: True}))
        case.path_parameters = {**case.path_parameters, "request_id": str(job.pk)}
    if isinstance(case.body, dict):
        case.body = without_contradictions(case.body)
        if case.media_type == "multipart/form-data":  # the client that sends it leaves out what is empty
            case.body = {name: "-" if value == "" else value for name, value in case.body.items()}
    case.query = without_contradictions(case.query)
    if re.fullmatch(r"[0-9]{1,2}", str(case.query.get("wait"))) and int(case.query["wait"]) <= LONGEST_WAIT_SECONDS:
        case.query = {**case.query, "wait": 0}


def without_contradictions(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields that are right by themselves, but not beside others or in this world, are left out."""
    start: Any = fields.get("clip_start_sec") or 0
    end: Any = fields.get("clip_end_sec")
    dropped = {name for name, form in ONLY_IN_FORM.items() if form.fullmatch(str(fields.get(name)))}
    if is_clip(start) and is_clip(end) and end <= start:
        dropped.add("clip_end_sec")
    kept = {name: value for name, value in fields.items() if name not in dropped}
    kept |= {name: COOKIES for name in ("cookies", "file") if is_text(fields.get(name), name)}
    if isinstance(kept.get("urls"), list):
        kept["urls"] = [URL if is_like_an_address(url) else url for url in kept["urls"]]
    return kept | {name: URL for name in ("url", "webhook_url") if is_like_an_address(fields.get(name))}


def is_text(value: Any, name: str) -> bool:
    """An empty file is one for the schema, too."""
    return isinstance(value, str | bytes) and (name == "file" or value != "")


def is_like_an_address(value: Any) -> bool:
    """In form: whether its host could be one is more than a pattern can say."""
    if not isinstance(value, str) or not re.search(addresses.PATTERN, value) or len(value) > addresses.MAX_URL_LENGTH:
        return False
    try:
        addresses.parse(value)
    except addresses.AddressError as error:
        return error.code in {"invalid_host", "invalid_port", "invalid_url"}
    return False


def is_clip(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_CLIP_SECONDS


@pytest.fixture
def one_connection(db: None) -> Iterator[None]:
    """The application stays in the test's transaction, as Django's own client has it."""
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    yield
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.fixture
def operator_key(one_connection: None, settings: Settings, user: User, caplog: pytest.LogCaptureFixture) -> str:
    caplog.set_level("ERROR", "django.request")  # thousands of refusals
    settings.RATE_LIMIT_PER_MINUTE = settings.RATE_LIMIT_PER_HOUR = 10**7
    settings.PROBE_WAIT_SECONDS = 0  # there is nobody to wait for
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    return key_of(user, *Scope)


@schema.parametrize()
@hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
def test_behaves_as_described(case: Any, operator_key: str, user: User) -> None:
    tame(case, user)
    case.call_and_validate(headers={"X-API-Key": operator_key})
