"""The commands of a document, carried out on a machine of ours as docker compose would."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.ops.machine import Machine

COMPOSE = ["docker", "compose", "-f", "ops/compose.yaml"]
NOTHING = Path("/dev/null")


def command_blocks(document: Path, heading: str) -> list[list[str]]:
    """The lines of each block of shell below the heading."""
    section = document.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [block.strip().splitlines() for block in re.findall(r"```sh\n(.+?)```", section, re.DOTALL)]


def carry_out(command: str, machine: Machine, directory: Path) -> None:
    """`directory` is where files are that it names. Raises CalledProcessError, or ValueError for what is not known."""
    words, source, target = _redirected(shlex.split(command, comments=True), directory)
    match words[len(COMPOSE) :] if words[: len(COMPOSE)] == COMPOSE else []:
        case ["down"]:
            machine.down()
        case ["up", "-d"]:
            machine.up()
        case ["up", "-d", "--wait", *names] if names:
            machine.up(*names)
        case ["exec", "-T", name, *inner]:
            machine[name].pipe(inner, source, target)
        case ["run", "--rm", "--no-deps", "-T", name, *inner]:
            with machine.another(name) as container:
                container.pipe(inner, source, target)
        case _:
            raise ValueError(f"What is {command}?")


def _redirected(words: list[str], directory: Path) -> tuple[list[str], Path, Path]:
    source = target = NOTHING
    while len(words) > 1 and words[-2] in {"<", ">"}:
        *words, sign, name = words
        source, target = (directory / name, target) if sign == "<" else (source, directory / name)
    return words, source, target
