"""The Dockerfile: what is built where, who runs it, how it is stopped and asked whether it is well."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec

from tests.project.tree import ROOT

TEXT = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
BUILD, SHIPPED = (f"FROM {stage}" for stage in re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:])


def of(stage: str, instruction: str) -> list[str]:
    return [words.strip() for words in re.findall(rf"^{instruction} (.+)$", stage, re.MULTILINE)]


def test_packages_are_installed_by_hash_in_a_stage_that_is_not_shipped() -> None:
    (install,) = re.findall(r"pip install[^&\n]*", TEXT)
    assert install in BUILD
    assert {"--require-hashes", "--no-deps", "-r", "requirements.txt"} <= set(install.split())
    assert of(SHIPPED, "COPY")[0] == "--from=build /app/.venv /app/.venv"


def test_both_stages_have_the_same_python() -> None:
    (built,), (shipped,) = of(BUILD, "FROM"), of(SHIPPED, "FROM")
    assert built == f"{shipped} AS build"
    assert re.fullmatch(r"python:\d+\.\d+-\S+", shipped)


def test_it_runs_as_a_user_who_is_a_number_and_owns_the_data_directory() -> None:
    (user,), (volume,) = of(SHIPPED, "USER"), of(SHIPPED, "VOLUME")
    assert re.fullmatch(r"[1-9]\d*", user), "an orchestrator that refuses root cannot look names up"
    assert f"chown {user}:{user} {volume}" in SHIPPED
    after = SHIPPED[SHIPPED.index(f"\nUSER {user}") :]
    assert (of(after, "RUN"), of(after, "COPY")) == ([], [])


def test_it_runs_everything_below_an_init_that_passes_signals_on() -> None:
    (entrypoint,), (command,) = of(SHIPPED, "ENTRYPOINT"), of(SHIPPED, "CMD")
    assert json.loads(entrypoint) == ["tini", "--"]
    assert json.loads(command) == ["python", "manage.py", "up"]
    assert of(SHIPPED, "STOPSIGNAL") == ["SIGTERM"]


def test_it_listens_on_every_address_at_the_port_that_it_names() -> None:
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(of(SHIPPED, "ENV"))))
    assert variables["HOST"] == "::"
    assert of(SHIPPED, "EXPOSE") == [variables["PORT"]]


def test_its_health_is_asked_by_a_module_that_is_there() -> None:
    (check,) = of(SHIPPED, "HEALTHCHECK")
    *_, module = json.loads(check[check.index("[") :])
    assert find_spec(module)
    assert set(re.findall(r"--([a-z-]+)=\d+s?", check)) == {"interval", "timeout", "start-period", "retries"}


def test_it_keeps_no_secret() -> None:
    assert re.findall(r"^ARG |_KEY=|TOKEN=|PASSWORD=", TEXT, re.MULTILINE) == []
