"""What has to exist before Django's settings can be read: the secret key, and hosts that are always ours."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import Env

# The platform's health checks name this host.
DEVELOPMENT_HOSTS = ("127.0.0.1", "localhost", "[::1]", "healthcheck.railway.app")
SHORTEST_SECRET_KEY = 32
WEAK_SECRET_KEY = (
    f"SECRET_KEY is shorter than {SHORTEST_SECRET_KEY} characters. Leave it out to have one generated, "
    "or make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'."
)

FERNET_KEY_BYTES = 32
BAD_COOKIE_KEY = (
    "COOKIE_KEYS has something that is no Fernet key. Leave it out to have one generated, or make one with: "
    "python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'."
)


class Environment(Env):
    """Variables that are empty count as not set: compose files write them so."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        return super()._get_value(env_key, default) or default


def require_mount(point: str) -> str:
    """Before anything is written: an empty mount point looks like a first start. Raises ImproperlyConfigured."""
    if point and not os.path.ismount(point):
        raise ImproperlyConfigured(f"REQUIRE_MOUNT: nothing is mounted at {point}. Mount the disk and start again.")
    return point


def load_secret_key(given: str, data_dir: Path, *, debug: bool, is_alone: bool) -> str:
    """The key from the environment, else the one generated into `data_dir`.

    A weak key is never used. A machine that is alone takes the generated one instead and says so; machines that share
    a database must agree on a key, so there it raises ImproperlyConfigured.
    """
    if given and (debug or len(given) >= SHORTEST_SECRET_KEY):
        return given
    if given and not is_alone:
        raise ImproperlyConfigured(WEAK_SECRET_KEY)
    if given:
        warnings.warn(f"{WEAK_SECRET_KEY} The generated key is used instead.", stacklevel=2)
    return _generated(data_dir / "secret_key")


def load_keys(name: str, given: list[str], path: Path) -> list[str]:
    """Keys that sign what leaves the server, apart from SECRET_KEY: the first signs, all are believed.

    Without any, the one that is generated into `path`. Raises ImproperlyConfigured for a weak one.
    """
    keys = [key.strip() for key in given if key.strip()]
    if any(len(key) < SHORTEST_SECRET_KEY for key in keys):
        raise ImproperlyConfigured(f"A key of {name} is shorter than {SHORTEST_SECRET_KEY} characters.")
    return keys or [_generated(path)]


def load_cookie_keys(given: list[str], data_dir: Path) -> list[str]:
    """Fernet keys: the first encrypts, all decrypt. Without any, the one generated into `data_dir`.

    A generated one goes on decrypting beside keys that are given later, so that no cookies are lost by giving them.
    Raises ImproperlyConfigured.
    """
    keys = [key.strip() for key in given if key.strip()]
    if not all(map(_is_fernet_key, keys)):
        raise ImproperlyConfigured(BAD_COOKIE_KEY)
    path = data_dir / "cookie_key"
    if not keys or path.exists():
        keys.append(_generated(path, make=lambda: base64.urlsafe_b64encode(os.urandom(FERNET_KEY_BYTES)).decode()))
    return keys


def _is_fernet_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, altchars=b"-_", validate=True)) == FERNET_KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _generated(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
    """Raises ImproperlyConfigured: this is the first that is ever written into a data directory."""
    try:
        return _kept(path, make)
    except OSError as failure:
        here, user = path.parent, os.getuid()
        remedy = f"Give it to user {user} (chown -R {user} {here}), or set DATA_DIR."
        raise ImproperlyConfigured(f"{here} cannot be used: {failure.strerror}. {remedy}") from failure


def _kept(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    candidate = path.with_name(f".{path.name}.{os.getpid()}")
    candidate.touch(mode=0o600)
    candidate.write_text(make())
    try:
        # A hard link fails when another process was first, and then that key is the one.
        path.hardlink_to(candidate)
    except FileExistsError:
        pass
    finally:
        candidate.unlink()
    return path.read_text().strip()
