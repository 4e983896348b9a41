"""What runs, as CycloneDX: `sbom.py FILE`. From requirements.txt with its hashes, with licences, and what is beside it.

cyclonedx-py reads the lock; it knows neither licences, which the lock does not have, nor static/vendor, nor the image.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from licences import ROOT, licence, shipped

VENDORED = re.compile(r"^\| (\S+\.js) \| (\S+) \| (\S+) \| \S+ \| ([0-9a-f]{64}) \|$", re.MULTILINE)

BASE = re.compile(r"^FROM (python):((\d[\d.]*)-slim-(\w+))$", re.MULTILINE)
INSTALLED = re.compile(r"apt-get install -y --no-install-recommends ([\w. +-]+)")
FFMPEG = re.compile(r"ffmpeg-[\w-]+-v([\d.]+)(?:\.exe)?")
HOLDS_FFMPEG = "imageio-ffmpeg"
# Of Debian's packages that the Dockerfile names.
DEBIAN_LICENCES = {"tini": "MIT"}

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


def of_the_image() -> Iterator[dict[str, Any]]:
    """By the Dockerfile's last stage. What Debian's releases bring is theirs to list, so packages have no version."""
    stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")
    text = stage[1] + stage[2]
    (base,), (installed,) = BASE.findall(text), INSTALLED.findall(text)
    image, tag, version, release = base
    yield described("container", image, tag, f"pkg:docker/{image}@{tag}")
    yield described("operating-system", "debian", release)
    yield described("platform", "cpython", version, f"pkg:generic/cpython@{version}", "PSF-2.0")
    for name in installed.split():
        yield described("application", name, None, f"pkg:deb/debian/{name}?distro={release}", DEBIAN_LICENCES[name])


def ffmpeg() -> dict[str, Any]:
    """The program inside the package that is installed here; it names its version. Raises LookupError."""
    for file in metadata.files(HOLDS_FFMPEG) or []:
        if found := FFMPEG.fullmatch(file.name):
            return described("application", "ffmpeg", found[1], f"pkg:generic/ffmpeg@{found[1]}", "GPL-3.0-or-later")
    raise LookupError(f"{HOLDS_FFMPEG} has no ffmpeg")


def described(
    kind: str, name: str, version: str | None, purl: str | None = None, identifier: str | None = None
) -> dict[str, Any]:
    """`identifier` is SPDX's of its licence."""
    licences = [{"license": {"id": identifier}}] if identifier else None
    facts = {"version": version, "purl": purl, "licenses": licences}
    made = {"type": kind, "bom-ref": f"{kind}:{name}", "name": name}
    return made | {name: value for name, value in facts.items() if value}


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
    program = ffmpeg()
    added = [*vendored(), *of_the_image()]
    made["components"] = [*(licensed(component) for component in components), *added, program]
    wanted = asked_for() | {component["name"] for component in added}
    direct = [component["bom-ref"] for component in made["components"] if component["name"] in wanted]
    (holder,) = (component["bom-ref"] for component in components if component["name"] == HOLDS_FFMPEG)
    made["dependencies"] = [
        {"ref": made["metadata"]["component"]["bom-ref"], "dependsOn": direct},
        {"ref": holder, "dependsOn": [program["bom-ref"]]},
    ]
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
