"""What runs, as CycloneDX: `sbom.py FILE`. From requirements.txt with its hashes, with licences, and what is vendored.

cyclonedx-py reads the lock; it knows neither licences, which the lock does not have, nor static/vendor.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from licences import ROOT, licence, shipped

VENDORED = re.compile(r"^\| (\S+\.js) \| (\S+) \| (\S+) \| \S+ \| ([0-9a-f]{64}) \|$", re.MULTILINE)

# What packages say otherwise ("BSD") is no identifier of SPDX.
SPDX = re.compile(r"MIT|ISC|Unlicense|[A-Z][A-Za-z0-9]*-[\w.-]+")


def of_the_lock() -> dict[str, Any]:
    # It warns of the dependencies that bill() adds.
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(ROOT / "requirements.txt")]
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--sv", "1.6"]
    made = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True)  # noqa: S603 - ours alone
    return dict(json.loads(made.stdout))


def asked_for() -> set[str]:
    """What mediadl itself needs; the lock does not tell it from what that needs in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = (re.match(r"[\w.-]+", dependency) for dependency in project["dependencies"])
    return {name[0].lower() for name in names if name}


def vendored() -> Iterator[dict[str, Any]]:
    for name, package, version, digest in VENDORED.findall((ROOT / "static" / "vendor" / "README.md").read_text()):
        yield {
            "type": "library",
            "bom-ref": name,
            "name": package,
            "version": version,
            "purl": f"pkg:npm/{package}@{version}",
            "hashes": [{"alg": "SHA-256", "content": digest}],
            "licenses": [{"license": {"id": "0BSD"}}],
        }


def licensed(component: dict[str, Any]) -> dict[str, Any]:
    """And without its line of the lock, hashes and all, for a description."""
    named = licence(component["name"])
    is_expression = all(SPDX.fullmatch(part) for part in re.split(" AND | OR ", named))
    choice = {"expression": named} if is_expression else {"license": {"name": named}}
    return {name: value for name, value in component.items() if name != "description"} | {"licenses": [choice]}


def bill() -> str:
    made = of_the_lock()
    kept = {name for name, _ in shipped()}
    components = [component for component in made["components"] if component["name"] in kept]
    added = list(vendored())
    made["components"] = [licensed(component) for component in components] + added
    wanted = asked_for() | {component["name"] for component in added}
    direct = [component["bom-ref"] for component in made["components"] if component["name"] in wanted]
    made["dependencies"] = [{"ref": made["metadata"]["component"]["bom-ref"], "dependsOn": direct}]
    return json.dumps(made, indent=1) + "\n"


def main(arguments: list[str]) -> int:
    text = bill()
    if failure := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.stderr.write(f"sbom: {failure}\n")
        return 1
    Path(arguments[0]).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
