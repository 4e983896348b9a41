"""An attempt server for the session, warm once, and attempts of the origin's paths in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.attempts import AttemptServer, Outcome, Run, spec_for
from tests.origin import Origin


@pytest.fixture(scope="session")
def attempt_server() -> Iterator[AttemptServer]:
    with AttemptServer() as running:
        yield running


@pytest.fixture
def run(attempt_server: AttemptServer, origin: Origin, tmp_path: Path) -> Run:
    """Runs an attempt of a path of the origin, or of a whole URL, in this test's one work directory."""

    def one(path: str, **choices: Any) -> Outcome:
        how = {name: choices.pop(name) for name in ("stop_at", "by") if name in choices}
        url = origin.url(path) if path.startswith("/") else path
        return attempt_server.run(spec_for(url, tmp_path / "work", **choices), **how)

    return one
