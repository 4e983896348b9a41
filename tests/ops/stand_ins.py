"""The images that ops/compose.yaml names, by what Debian has of them: programs, users, and who owns a new volume.

mediadl's own is read out of the Dockerfile. Debian's releases are older than those of the images.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.postgres import find_programs
from tests.project.tree import ROOT

# Where containers have this virtual environment: the image's own place, and one beside the stand-ins.
IN_THE_IMAGE, ASIDE = "/app/.venv", "/venv"
SCRIPT = "/stand-in"
PATH = f"{ASIDE}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# As the image's entry point: a cluster on the first start, whose superuser and database the variables name.
POSTGRES = r"""
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  (umask 077; printf %s "$POSTGRES_PASSWORD" >/tmp/password)
  test -s /tmp/password
  initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-local=trust --auth-host=scram-sha-256 \
    --no-sync --encoding=UTF8 --locale=C.UTF-8
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -D "$PGDATA" postgres
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql,/tmp -c fsync=off
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    # As a Dockerfile has it: CMD and words.
    healthcheck: list[str] | None = None
    # Beside root and nobody, as in /etc/passwd.
    accounts: dict[str, int] = field(default_factory=dict)
    # A directory of the image, to whom it belongs: an empty volume takes that over.
    directories: dict[str, int] = field(default_factory=dict)
    # Bound to SCRIPT.
    script: Path | None = None
    is_ours: bool = False


def _postgres_path() -> str:
    programs, prefix = find_programs(), Path(sys.prefix).resolve()
    resolved = programs.resolve()
    return f"{ASIDE}/{resolved.relative_to(prefix)}" if resolved.is_relative_to(prefix) else str(programs)


def ours() -> Image:
    """By the last stage of the Dockerfile."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    stage = text[text.rindex("\nFROM ") :]

    def of(instruction: str) -> str:
        (found,) = re.findall(rf"^{instruction} (.+)$", stage, re.MULTILINE)
        return str(found)

    path = PATH.removeprefix(f"{ASIDE}/bin:")
    environment = dict(re.findall(r"(\w+)=(\S+)", of("ENV")))
    (check,) = re.findall(r"CMD (\[.+\])$", of("HEALTHCHECK"))
    owned = {place: int(user) for user, place in re.findall(r"chown (\d+):\d+ (\S+)", stage)}
    user = of("USER")
    return Image(
        user=user if ":" in user else f"{user}:0",
        entrypoint=json.loads(of("ENTRYPOINT")),
        command=json.loads(of("CMD")),
        environment=environment | {"PATH": environment["PATH"].replace("$PATH", path)},
        healthcheck=["CMD", *json.loads(check)],
        directories=owned,
        is_ours=True,
    )


IMAGES = {
    "mediadl": ours(),
    "nginx": Image(command=["nginx", "-g", "daemon off;"]),
    "postgres": Image(
        entrypoint=["sh", "-c", POSTGRES],
        environment={"PATH": f"{_postgres_path()}:{PATH}", "PGDATA": "/var/lib/postgresql/data"},
        accounts={"postgres": 999},
        directories={"/var/lib/postgresql/data": 999},
    ),
    # The image is built without the mode that answers this machine alone.
    "redis": Image(
        entrypoint=["sh", "-c", 'exec "$@" --protected-mode no', "sh"],
        accounts={"redis": 999},
        directories={"/data": 999},
    ),
    # Another store, with the same words.
    "versity/versitygw": Image(
        entrypoint=["python", SCRIPT], script=ROOT / "tests" / "ops" / "bucket_of_directories.py"
    ),
    "prom/prometheus": Image(
        user="65534:65534",
        entrypoint=["/bin/prometheus"],
        directories={"/prometheus": 65534},
    ),
}
