"""The table of docs/licences.md, from what the locked packages say of themselves: `licences.py [--check]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "licences.md"
LOCKED = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)(?:\s*;\s*([^\\\n]+?))?\s*\\?$", re.MULTILINE)
# The Python of the image. What only others need is not shipped.
IMAGE = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
}
# Those that only have a classifier, or a sentence.
BY_CLASSIFIER = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "public domain",
}
LONGEST_NAME = 60


def shipped() -> Iterator[tuple[str, str]]:
    """(name, version) of each package in the image."""
    for name, version, marker in LOCKED.findall((ROOT / "requirements.txt").read_text()):
        if not marker or Marker(marker).evaluate(IMAGE):
            yield name, version


def licence(name: str) -> str:
    """An SPDX expression where the package gives one. Raises LookupError where it gives nothing."""
    said = metadata.metadata(name)
    named = str(said.json.get("license_expression") or said.json.get("license") or "").strip()
    classifiers = [text.rpartition(" :: ")[2] for text in said.get_all("Classifier") or [] if "License ::" in text]
    if not re.search(r"\d|MIT", named) or "\n" in named or len(named) > LONGEST_NAME:
        named = " or ".join(BY_CLASSIFIER[text] for text in classifiers) or named
    if not named:
        raise LookupError(f"{name} does not say what its licence is")
    return named


def table() -> str:
    rows = [f"| `{name}` | {licence(name)} |" for name, _ in shipped()]
    return "\n".join(["| package | licence |", "|---|---|", *rows, ""])


def main(arguments: list[str]) -> int:
    before = DOCUMENT.read_text()
    after = before.partition("| package |")[0] + table()
    if "--check" in arguments:
        return int(after != before)
    DOCUMENT.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
