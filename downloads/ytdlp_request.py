"""An update of yt-dlp that an operator asks for in the admin: `manage.py ytdlp_update` in a process of its own.

What it says goes into a file, which is all that is known of it: the one that asked may be gone when it ends.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from downloads import ytdlp_versions
from downloads.ytdlp_versions import BusyError

# It says nothing, and holds no lock, before Django has started.
STARTS_WITHIN = timedelta(seconds=20)
MOST_SHOWN = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """`said`: what the command printed until now."""

    asked_at: datetime
    said: str
    is_under_way: bool

    @property
    def has_failed(self) -> bool:
        return not self.is_under_way and ("CommandError" in self.said or not self.said)


def is_possible() -> bool:
    """Where the engine runs, whose packages they are."""
    return ytdlp_versions.running() is not None


def ask() -> None:
    """Begins it. Raises BusyError while another is under way on this machine."""
    if _is_locked() or ((before := last()) and before.is_under_way):
        raise BusyError
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "ytdlp_update", "--no-color"]
    with _path().open("w") as said:
        said.write(f"{datetime.now(UTC).isoformat()}\n")
        said.flush()
        process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    threading.Thread(target=process.wait, daemon=True).start()


def last() -> Update | None:
    """None where nobody has ever asked."""
    try:
        moment, _, said = _path().read_text(errors="replace").partition("\n")
        asked_at = datetime.fromisoformat(moment)
    except (OSError, ValueError):
        return None
    said = said.strip()
    is_starting = not said and datetime.now(UTC) - asked_at < STARTS_WITHIN
    return Update(asked_at=asked_at, said=said[-MOST_SHOWN:], is_under_way=is_starting or _is_locked())


def _is_locked() -> bool:
    try:
        with ytdlp_versions.locked():
            return False
    except BusyError:
        return True


def _path() -> Path:
    return Path(settings.RUN_ROOT) / "ytdlp_update.log"
