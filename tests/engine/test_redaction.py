from __future__ import annotations

import pytest

from downloads.engine.redaction import MAX_CHARACTERS, redact

pytestmark = pytest.mark.promise("S16")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("[generic] Extracting URL: https://site.test/a?key=1#t", "[generic] Extracting URL: https://site.test/a?…"),
        ("get 'http://u:pw@site.test/a' now", "get 'http://site.test/a' now"),
        ("HTTP://SITE.test/?A=B", "HTTP://SITE.test/?…"),
        ("[generic] watch?token=1&b=2: Downloading webpage", "[generic] watch?…: Downloading webpage"),
        ("ERROR: [generic] ?token=1: gone", "ERROR: [generic] ?…: gone"),
        ("Cookie: a=b; c=d", "Cookie: …"),
        ("set-cookie=sid=1\nnext", "set-cookie: …\nnext"),
        ("Authorization: Bearer abc", "Authorization: …"),
        ("key data:application/octet-stream;base64,AAAA end", "key data:… end"),
        ("\x1b[0;31mERROR:\x1b[0m bad\x00\x9b", "ERROR: bad"),
        ("/home/alice/x and /root/y and /Users/bob/z", "~/x and ~/y and ~/z"),
        ("/srv/home/alice stays", "/srv/home/alice stays"),
        ("a lone \ud800 surrogate", "a lone ? surrogate"),
        ("plain? yes # really", "plain? yes # really"),
    ],
)
def test_takes_out_what_must_not_be_kept(text: str, clean: str) -> None:
    assert redact(text) == clean


def test_names_files_relative_to_the_work_directory() -> None:
    assert (
        redact("[download] Destination: /data/work/7/media.mp4", "/data/work/7") == "[download] Destination: media.mp4"
    )
    assert redact("in /data/work/7", "/data/work/7/") == "in /data/work/7"
    assert redact("in /data/work/7", "/data/work/7") == "in ."


def test_clips_long_messages() -> None:
    clipped = redact("x" * 5000)
    assert len(clipped) == MAX_CHARACTERS
    assert clipped.endswith("…")
