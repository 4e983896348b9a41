"""Alert rules, dashboard and documented queries: well-formed, right at their boundaries, and about metrics we have."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from downloads.metrics import exposition
from downloads.models import Counter, Node
from tests.factories import JobFactory
from tests.ops.programs import OPS, run
from tests.programs import program
from tests.project.tree import ROOT

RULES = OPS / "prometheus" / "rules.yml"
DASHBOARD: dict[str, Any] = json.loads((OPS / "grafana" / "dashboard.json").read_text())
DOCUMENT = ROOT / "docs" / "monitoring.md"
# Prometheus makes it itself, for each target.
OF_PROMETHEUS = {"up"}
# Stand for what Grafana puts in.
VARIABLES = {"$__rate_interval": "5m", "$job": "mediadl"}

AGGREGATIONS = {"avg", "bottomk", "count", "group", "max", "min", "quantile", "sum", "topk"}
OPERATORS = {"and", "bool", "offset", "or", "unless"}

_WORD = re.compile(r"(?<![\w$])[a-zA-Z_]\w*")
_TOKEN = re.compile(r"(?<![\w$.])[a-zA-Z_]\w*|[()]")
_LABELS = re.compile(
    r"""\{[^}]*\}                                   # label matchers
      | \[[^\]]*\]                                  # ranges
      | \b(?:by|without|on|ignoring)\s*\([^)]*\)    # label names
    """,
    re.VERBOSE,
)
_NOT_A_METRIC = re.compile(
    r"""\b[a-z_]+\s*(?=\(|\b(?:by|without)\b)         # functions and aggregations
      | \b(?:and|or|unless|bool|offset)\b
    """,
    re.VERBOSE,
)


def metrics_in(expression: str) -> set[str]:
    return set(_WORD.findall(_NOT_A_METRIC.sub(" ", _LABELS.sub(" ", expression))))


def aggregations(expression: str) -> Iterator[tuple[str, str]]:
    """Each metric, with what takes its series together first; nothing where they stay apart."""
    tokens = _TOKEN.findall(_LABELS.sub(" ", expression))
    around: list[str] = []
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if token == "(":
            around.append(before)
        elif token == ")":
            around.pop()
        elif after != "(" and token not in OPERATORS:
            yield token, next((name for name in reversed(around) if name in AGGREGATIONS), "")


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def of_the_dashboard() -> list[str]:
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    for name, value in VARIABLES.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    return expressions


def of_the_variables() -> list[str]:
    """What Grafana asks to fill in its own variables."""
    return [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]


def of_the_rules() -> list[str]:
    return [rule["expr"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def of_the_document() -> list[str]:
    blocks = re.findall(r"```promql\n(.+?)```", DOCUMENT.read_text(), re.DOTALL)
    return [query.strip() for block in blocks for query in block.split("\n\n")]


ALERTS = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
ALL = of_the_dashboard() + of_the_rules() + of_the_document()


@pytest.fixture
def exported(db: None) -> set[str]:
    """The names of all samples that a scrape can bring: each kind of row exists once."""
    Node.objects.pulse("node", slots=4)
    Counter.objects.record_end(JobFactory(finished=True))
    Counter.objects.record_end(JobFactory(broken=True))
    families = text_string_to_metric_families(exposition().decode())
    # Families of labelled metrics of this process may have no sample yet.
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    return {family.name + suffix for family in families for suffix in suffixes.get(family.type, ("",))}


def test_every_query_is_about_metrics_that_exist(exported: set[str]) -> None:
    unknown = {expression: names for expression in ALL if (names := metrics_in(expression) - exported - OF_PROMETHEUS)}
    assert unknown == {}


def test_the_choices_of_the_dashboard_are_labels_of_metrics_that_exist(exported: set[str]) -> None:
    asked = [re.fullmatch(r"label_values\((\w+), job\)", query) for query in of_the_variables()]
    assert {found and found[1] in exported for found in asked} == {True}


def test_the_dashboard_uses_the_variables_that_it_has() -> None:
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used - {"__rate_interval"} == names


def test_grafana_finds_prometheus_and_the_dashboard_where_compose_puts_them() -> None:
    composed: dict[str, Any] = yaml.safe_load((OPS / "compose.yaml").read_text())["services"]
    mounts = dict(volume.split(":")[:2] for volume in composed["grafana"]["volumes"])
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    (source,) = provisioned("datasources")["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in composed
    assert not [word for word in composed["prometheus"]["command"] if "listen" in word], "9090 is its default"
    (provider,) = provisioned("dashboards")["providers"]
    assert provider["type"] == "file"
    assert Path(mounts["./grafana/dashboard.json"]).parent == Path(provider["options"]["path"])


def provisioned(kind: str) -> dict[str, Any]:
    (path,) = (OPS / "grafana" / "provisioning" / kind).iterdir()
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    assert found["apiVersion"] == 1
    return found


@pytest.mark.parametrize("expression", ALL)
def test_what_every_web_process_says_alike_is_not_added_up(expression: str) -> None:
    alike = [by for name, by in aggregations(expression) if not name.startswith("http_") and name not in OF_PROMETHEUS]
    assert set(alike) <= {"max", "min"}


@pytest.mark.parametrize("expression", ["sum(queue_depth)", "queue_depth", "sum by (lane) (rate(x[1d])) / max(y)"])
def test_a_query_that_counts_twice_is_noticed(expression: str) -> None:
    assert {by for _, by in aggregations(expression)} - {"max", "min"}


def test_every_query_names_a_metric() -> None:
    assert [expression for expression in ALL if not metrics_in(expression)] == []


def test_every_metric_is_documented(exported: set[str]) -> None:
    text = DOCUMENT.read_text()
    suffix = re.compile(r"_(bucket|count|sum)$")
    assert {name for name in exported if f"`{suffix.sub('', name)}" not in text} == set()


@pytest.mark.needs("promtool")
def test_every_query_can_be_read_by_prometheus(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": expression} for number, expression in enumerate(ALL)]
    written = tmp_path / "queries.yml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    answer = run("promtool", "check", "rules", written)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(ALL)} rules found" in answer.stdout


def test_the_dashboard_is_whole() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert (DASHBOARD["uid"], DASHBOARD["title"]) == ("mediadl", "mediadl")
    assert len(ids) == len(set(ids)) > 15
    for panel in panels():
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["expr"] for target in panel["targets"])


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert max(columns) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert rule["annotations"].keys() == {"summary", "description"}
            assert rule["for"]


def test_every_alert_has_a_test_and_a_line_in_the_document() -> None:
    names = set(ALERTS)
    tests = yaml.safe_load((OPS / "prometheus" / "rules_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == names
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == names
    assert {name for name in names if f"`{name}`" not in DOCUMENT.read_text()} == set()


@pytest.mark.needs("promtool")
def test_the_alerts_are_right_at_their_boundaries() -> None:
    answer = run("promtool", "test", "rules", OPS / "prometheus" / "rules_test.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    ("bound", "moved"),
    [("> 0.05", "> 0.07"), (") > 2\n", ") > 3\n"), ("> 0.9\n", "> 0.95\n"), ("> 100", "> 120"), ("== 0 or", "== 2 or")],
)
def test_a_bound_that_moves_is_noticed(tmp_path: Path, bound: str, moved: str) -> None:
    text = RULES.read_text()
    assert text.count(bound) == 1
    assert_noticed(tmp_path, text.replace(bound, moved))


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("seconds", [-15, 15])
@pytest.mark.parametrize("alert", ALERTS)
def test_a_delay_that_moves_by_one_evaluation_is_noticed(tmp_path: Path, alert: str, seconds: int) -> None:
    rules: dict[str, Any] = yaml.safe_load(RULES.read_text())
    (rule,) = (rule for group in rules["groups"] for rule in group["rules"] if rule["alert"] == alert)
    minutes, _, unit = rule["for"].partition("m")
    assert unit == ""
    rule["for"] = f"{int(minutes) * 60 + seconds}s"
    assert_noticed(tmp_path, yaml.safe_dump(rules))


def assert_noticed(directory: Path, rules: str) -> None:
    (directory / "rules.yml").write_text(rules)
    (directory / "rules_test.yml").write_bytes((OPS / "prometheus" / "rules_test.yml").read_bytes())
    assert run("promtool", "check", "rules", directory / "rules.yml").returncode == 0
    assert run("promtool", "test", "rules", directory / "rules_test.yml").returncode != 0


@pytest.mark.needs("promtool")
def test_prometheus_accepts_its_configuration() -> None:
    answer = run("promtool", "check", "config", "--syntax-only", OPS / "prometheus" / "prometheus.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.needs("promtool")
@pytest.mark.django_db
def test_promtool_finds_nothing_else_to_say_of_what_a_scrape_brings() -> None:
    command = [program("promtool"), "check", "metrics"]
    answer = subprocess.run(command, input=exposition(), capture_output=True, timeout=60, check=False)
    # It would have `_total` for counters alone; this is the size of a disk.
    said = [line for line in answer.stderr.decode().splitlines() if not line.startswith("storage_bytes_total ")]
    assert said == []
