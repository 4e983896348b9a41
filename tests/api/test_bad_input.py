"""What is not valid gets a 4xx problem that names the field, and leaves nothing behind."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from django_q.models import OrmQ
from pytest_django import Settings

from downloads.api.problem import MAX_ERRORS
from downloads.api.requests import DownloadRequestSerializer
from downloads.models import Job, JobEvent
from tests.api.conftest import URL, Api, code_of

pytestmark = [pytest.mark.promise("S15"), pytest.mark.django_db]

LONG = "x" * 3000

BAD_URLS = [
    "",
    " ",
    "nonsense",
    "example.com/watch",
    "//example.com",
    "ftp://example.com/a",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/html,x",
    "gopher://example.com",
    "rtmp://example.com/live",
    "mms://example.com",
    "ytsearch:cats",
    ":ytfav",
    "http:example.com",
    "http:/example.com",
    "http:///path",
    "http://",
    "https://?",
    "http://#",
    "http://:80/",
    "http://user@example.com/",
    "http://user:secret@example.com/",
    "http://example.com@evil.example/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:port/",
    "http://example.com:-1/",
    "http://example.com:\u0661/",
    "http://example.com:80:80/",
    "http://exa mple.com/",
    " http://example.com/",
    "http://example.com/ ",
    "http://example.com/a b",
    "http://example.com/\t",
    "http://example.com/\n",
    "http://example.com/\r\nX-Header: 1",
    "http://example.com\\@evil.example/",
    "http:\\\\example.com\\",
    "http://example.com/\\..\\",
    "http://exa\u200bmple.com/",
    "http://example.com/\u202egpj.exe",
    "http://example.com/\u2028",
    "http://\u00a0example.com/",
    "http://-.example..com/",
    "http://example..com/",
    "http://.example.com/",
    "http://ex%61mple.com/",
    "http://exam[ple.com/",
    "http://[::1/",
    "http://[::1]x/",
    "http://[fe80::1%25eth0]/",
    "http://[1::2::3]/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://1.2.3.4.5/",
    "http://256.1.1.1/",
    f"http://{'a' * 64}.example/",
    f"http://{'a.' * 130}example/",
    "http://" + "\u00fc" * 300 + ".example/",
    f"http://example.com/{'a' * 2048}",
]


def anything(*values: Any) -> tuple[Any, ...]:
    return values


BAD_FIELDS: list[tuple[str, Any]] = [
    *[("url", value) for value in (None, 5, 1.5, True, [], {}, [URL], {"url": URL})],
    *[
        ("quality", value)
        for value in anything("", "8k", "BEST", "best ", 1080, None, True, [], LONG, "bestvideo[height<=720]")
    ],
    *[
        ("custom_format", value)
        for value in (
            "",
            "bestvideo[height<=720]",
            "best[ext=mp4]",
            "(mp4,webm)",
            "137,140",
            "all",
            "mergeall",
            "137+all",
            "137 + 140",
            "+137",
            "137+",
            "137//22",
            "-f",
            "a:b",
            "137\n",
            "/",
            "b*",
            "x" * 201,
            22,
        )
    ],
    *[("video_format", value) for value in ("exe", "MP4", "", None, 4, "mp4\x7f")],
    *[("audio_format", value) for value in ("mid", "", None)],
    *[("audio_quality", value) for value in (192, "64", "1000", "0", "", None)],
    *[("subtitle_format", value) for value in ("sub", None)],
    *[("thumbnail_format", value) for value in ("gif", "svg", None)],
    *[
        (name, value)
        for name in (
            "audio_only",
            "allow_recode",
            "embed_metadata",
            "delete_after_download",
            "reuse",
            "write_info_json",
        )
        for value in anything("true", "yes", 0, 1, None, [], "")
    ],
    *[
        ("subtitle_languages", value)
        for value in (
            [],
            None,
            "en",
            ["all"],
            [".*"],
            ["en", "-live_chat"],
            ["e"],
            [""],
            [5],
            ["en"] * 21,
            ["en "],
            {"a": 1},
        )
    ],
    *[("sponsorblock_remove", value) for value in (None, "sponsor", ["ads"], ["sponsor"] * 10, [None])],
    *[("clip_start_sec", value) for value in (-1, "1", True, 1e9, [1])],
    *[("clip_end_sec", value) for value in (-0.5, 0, "9", 1e9)],
    *[
        ("path_template", value)
        for value in anything(
            "",
            "/etc/{title}",
            "../{title}",
            "a/../{title}",
            "a/..",
            "..",
            "{titel}",
            "{title",
            "title}",
            "{}",
            "{title:03d}",
            "{title!r}",
            "{title.__class__}",
            "{playlist_index:03x}",
            "a\\b",
            "a\x01b",
            "a\nb",
            "%(title)s {title",
            "x" * 256,
            5,
            [],
        )
    ],
    *[("timeout_sec", value) for value in (59, 7201, 0, -1, "1800", True, 60.5, 10**18)],
    *[("max_size_bytes", value) for value in (0, -1, "1", 1.5, True)],
    *[("retention_hours", value) for value in anything(0, -1, 8760.001, 1e300, "1", True, [])],
    *[("priority", value) for value in ("urgent", 0, 10, None, "HIGH")],
    *[
        ("start_after", value)
        for value in (
            "tomorrow",
            "2030-01-01",
            "2030-01-01T00:00:00",
            "2030-01-01 00:00:00Z",
            "2030-13-01T00:00:00Z",
            "2030-02-30T00:00:00Z",
            "2030-01-01T25:00:00Z",
            "2030-W01-1T00:00:00Z",
            "2030-01-01T00:00:00+25:00",
            "",
            1893456000,
            True,
        )
    ],
    *[
        ("webhook_url", value)
        for value in ("", "ftp://example.com", "http://u:p@example.com", 5, "https://hook s.example")
    ],
    *[("webhook_events", value) for value in (None, "download.completed", ["download.exploded"], ["*"], [1])],
    *[("tags", value) for value in (None, "a", ["a"] * 11, [""], ["x" * 51], [5], ["a\nb"], [["a"]], {"a": "b"})],
    *[("client_reference", value) for value in (5, None, "x" * 201, ["a"], {"a": 1})],
    *[
        ("cookies_id", value)
        for value in ("", 5, "not-a-uuid", 2**70 % 2**63, "{0199c4d2-6c1e-7b52-9a57-3f0d5ad9b0aa}")
    ],
]

HOSTILE_JSON: list[tuple[str, str | bytes]] = [
    ("empty", b""),
    ("blank", b"   "),
    ("no json", b"url=http://example.com"),
    ("half", b'{"url": "http://example.com"'),
    ("trailing comma", b'{"url": "http://example.com",}'),
    ("two documents", b'{"url": "http://example.com"}{}'),
    ("comment", b'{"url": "http://example.com"} // x'),
    ("single quotes", b"{'url': 'http://example.com'}"),
    ("a list", b'["http://example.com"]'),
    ("a string", b'"http://example.com"'),
    ("a number", b"5"),
    ("null", b"null"),
    ("true", b"true"),
    ("byte order mark", b'\xef\xbb\xbf{"url": "http://example.com"}'),
    ("not UTF-8", b'{"url": "http://example.com/\xff"}'),
    ("UTF-16", '{"url": "http://example.com"}'.encode("utf-16")),
    ("overlong", b'{"url": "http://example.com/\xc0\xaf"}'),
    ("raw control character", b'{"url": "http://example.com/\x01"}'),
    ("NUL", b'{"url": "http://example.com/", "client_reference": "a\\u0000b"}'),
    ("NUL in a key", b'{"url": "http://example.com/", "a\\u0000": 1}'),
    ("lone surrogate", b'{"url": "http://example.com/", "client_reference": "\\ud800"}'),
    ("low surrogate first", b'{"url": "http://example.com/", "client_reference": "\\udc00\\ud800"}'),
    ("surrogate in a key", b'{"\\ud83d": 1}'),
    ("NaN", b'{"url": "http://example.com/", "clip_start_sec": NaN}'),
    ("Infinity", b'{"url": "http://example.com/", "clip_start_sec": Infinity}'),
    ("-Infinity", b'{"url": "http://example.com/", "clip_start_sec": -Infinity}'),
    ("a float beyond floats", b'{"url": "http://example.com/", "clip_start_sec": 1e999}'),
    ("an integer of 65 bits", b'{"url": "http://example.com/", "max_size_bytes": 9223372036854775808}'),
    ("a negative one", b'{"url": "http://example.com/", "max_size_bytes": -9223372036854775809}'),
    ("an integer of 10,000 digits", b'{"url": "http://example.com/", "max_size_bytes": ' + b"9" * 10_000 + b"}"),
    ("the same key twice", b'{"url": "http://example.com/", "url": "http://evil.example/"}'),
    ("the same key twice, spelled differently", b'{"url": "http://example.com/", "\\u0075rl": "http://evil.example/"}'),
    ("33 levels", b'{"url": ' + b"[" * 33 + b"]" * 33 + b"}"),
    ("100,000 levels", b'{"url": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    ("100,000 open levels", b"[" * 100_000),
    ("objects all the way", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
]


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(db: None, settings: Settings) -> Any:
    settings.RATE_LIMIT_PER_MINUTE = 100_000
    yield
    assert not Job.objects.exists()
    assert not JobEvent.objects.exists()
    assert not OrmQ.objects.exists()


def test_the_table_is_long_enough() -> None:
    assert len(BAD_URLS) + len(BAD_FIELDS) + len(HOSTILE_JSON) >= 250


def test_refuses_what_is_no_url(api: Api) -> None:
    for url in BAD_URLS:
        answer = api.post("/download", {"url": url})
        assert code_of(answer) == (400, "validation_failed"), url
        assert [error["field"] for error in answer.json()["errors"]] == ["url"]
        assert "secret" not in answer.content.decode()


@pytest.mark.parametrize("field", sorted({field for field, _ in BAD_FIELDS}))
def test_refuses_a_wrong_value_and_names_its_field(api: Api, field: str) -> None:
    for value in [value for name, value in BAD_FIELDS if name == field]:
        answer = api.post("/download", {"url": URL, field: value})
        assert code_of(answer) == (400, "validation_failed"), value
        fields = [error["field"] for error in answer.json()["errors"]]
        assert {name.partition("[")[0] for name in fields} == {field}
        assert len(answer.content) < 4000


def test_refuses_hostile_json_quickly(api: Api) -> None:
    api.get("/health/live")  # the first request of a process loads the addresses
    for name, body in HOSTILE_JSON:
        started = time.process_time()
        answer = api.post_text("/download", body)
        assert code_of(answer) == (400, "malformed_json" if body else "validation_failed"), name
        assert time.process_time() - started < 0.5, name


def test_takes_as_many_levels_as_it_says(api: Api) -> None:
    """They are refused for what they are, and not for how deep they are."""
    answer = api.post_text("/download", b'{"url": ' + b"[" * 31 + b"]" * 31 + b"}")
    assert code_of(answer) == (400, "validation_failed")


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_refuses_a_large_body(api: Api, size: int) -> None:
    answer = api.post_text("/download", json.dumps({"url": URL, "client_reference": "x" * size}))
    assert code_of(answer) == (413, "body_too_large")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/octet-stream",
        "x",
    ],
)
def test_refuses_other_kinds_of_body(api: Api, content_type: str) -> None:
    answer = api.post_text("/download", json.dumps({"url": URL}), content_type)
    assert code_of(answer) == (415, "unsupported_media_type")


def test_names_every_wrong_field_at_once(api: Api) -> None:
    answer = api.post("/download", {"url": "x", "quality": "8k", "subtitle_languages": ["en", ".*"]})
    assert [error["field"] for error in answer.json()["errors"]] == ["quality", "subtitle_languages[1]", "url"]


def test_does_not_answer_a_flood_with_a_flood(api: Api) -> None:
    answer = api.post("/download", {"url": URL, **{f"field{number}": 1 for number in range(30_000)}})
    assert code_of(answer) == (400, "unknown_field")
    assert len(answer.content) < 8000


def test_cuts_the_name_of_an_unknown_field(api: Api) -> None:
    assert len(api.post("/download", {"url": URL, "x" * 100_000: 1}).content) < 4000


def test_refuses_cookies_that_are_not_there(api: Api) -> None:
    answer = api.post("/download", {"url": URL, "cookies_id": str(uuid.uuid4())})
    assert code_of(answer) == (400, "cookies_gone")
    assert answer.json()["errors"][0]["field"] == "cookies_id"


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (None, 0)])
def test_a_clip_ends_after_its_start(api: Api, start: float | None, end: float) -> None:
    answer = api.post("/download", {"url": URL, "clip_start_sec": start, "clip_end_sec": end})
    assert code_of(answer) == (400, "validation_failed")
    assert answer.json()["errors"][0]["field"] == "clip_end_sec"


@pytest.mark.parametrize("query", ["wait=5", "x=1", "url=http://example.com"])
def test_refuses_parameters_that_a_submission_does_not_have(api: Api, query: str) -> None:
    answer = api.client.post(f"/api/v1/download?{query}", {"url": URL}, content_type="application/json")
    assert code_of(answer) == (400, "unknown_field")


def test_refuses_every_option_of_ytdlp(api: Api) -> None:
    """S3: none of them is a field of ours, under any spelling that yt-dlp itself has for it."""
    import yt_dlp

    names = {option.dest for group in yt_dlp.parseOpts([])[0].option_groups for option in group.option_list}
    names |= set(yt_dlp.parse_options([]).ydl_opts)
    known = set(DownloadRequestSerializer().fields)
    foreign = {name for name in names if name} - known
    assert len(foreign) > 200
    ordered = sorted(foreign)
    for some in (ordered[start : start + MAX_ERRORS] for start in range(0, len(ordered), MAX_ERRORS)):
        answer = api.post("/download", {"url": URL, **dict.fromkeys(some, "x")})
        assert code_of(answer) == (400, "unknown_field")
        assert {error["field"] for error in answer.json()["errors"]} == set(some)
