"""docs/webhooks.md: what it tells receivers to do works."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from downloads.api.batch_requests import BATCH_EVENTS
from tests.programs import program
from webhooks import signing
from webhooks.messages import TEST
from webhooks.models import Failure

TEXT = (Path(settings.BASE_DIR) / "docs" / "webhooks.md").read_text()
BODY = '{"title":"Ein Lied für Mütter"}'.encode()


def code(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def by_python(secret: str, headers: dict[str, str], body: bytes) -> bool:
    names: dict[str, Any] = {}
    exec(code("python"), names)
    return bool(names["is_genuine"](secret, headers, body))


def by_node(secret: str, headers: dict[str, str], body: bytes) -> bool:
    given = ", ".join(map(json.dumps, (secret, headers)))
    script = f'{code("js")}\nconsole.log(isGenuine({given}, Buffer.from("{body.hex()}", "hex")));'
    answer = subprocess.run(
        [program("node"), "-"], input=script, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(answer.stdout) is True


@pytest.mark.parametrize("verify", [by_python, pytest.param(by_node, marks=pytest.mark.needs("node"))])
def test_its_code_believes_what_is_signed_and_nothing_else(verify: Any) -> None:
    old, new = signing.new_secret(), signing.new_secret()
    headers = signing.headers_of("0199", int(time.time()), BODY, [new, old])
    late = signing.headers_of("0199", int(time.time()) - 3600, BODY, [new])
    assert verify(new, headers, BODY)
    assert verify(old, headers, BODY)
    assert not verify(signing.new_secret(), headers, BODY)
    assert not verify(new, headers, BODY + b" ")
    assert not verify(new, late, BODY)


def test_it_lists_every_event_and_every_error() -> None:
    assert [name for name in (*BATCH_EVENTS, TEST, *Failure.values) if f"`{name}`" not in TEXT] == []
