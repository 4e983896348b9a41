from __future__ import annotations

from email.utils import formatdate
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediadl.asgi.ranges import MAX_RANGES, Decision, coalesce, decide, parse_range

pytestmark = pytest.mark.promise("P14")

ETAG = '"abc-1"'
MODIFIED_AT = 1_700_000_000
MODIFIED = formatdate(MODIFIED_AT, usegmt=True)
EARLIER = formatdate(MODIFIED_AT - 3600, usegmt=True)
LATER = formatdate(MODIFIED_AT + 3600, usegmt=True)
SIZE = 1000


def ask(method: str = "GET", size: int = SIZE, etag: str | None = ETAG, **request: str) -> Decision:
    headers = {name.replace("_", "-"): value for name, value in request.items()}
    return decide(method=method, request=headers, size=size, etag=etag, last_modified=MODIFIED)


@pytest.mark.parametrize(
    ("value", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-199", 100, 200),
        ("bytes=999-999", 999, 1000),
        ("bytes=900-", 900, 1000),
        ("bytes=0-", 0, 1000),
        ("bytes=-1", 999, 1000),
        ("bytes=-100", 900, 1000),
        ("bytes=-1000", 0, 1000),
        ("bytes=-5000", 0, 1000),
        ("bytes=900-5000", 900, 1000),
        ("bytes=0-" + "9" * 5000, 0, 1000),
        ("bytes=-" + "9" * 5000, 0, 1000),
        ("bytes=" + "0" * 5000 + "7-8", 7, 9),
        ("BYTES=0-9", 0, 10),
        ("bytes= 0-9", 0, 10),
        ("bytes=0-9 , ", 0, 10),
        ("bytes=,,5-9,,", 5, 10),
        ("bytes=0-9,10-19", 0, 20),
        ("bytes=10-19,0-9", 0, 20),
        ("bytes=0-99,50-149", 0, 150),
        ("bytes=0-9,0-9", 0, 10),
        ("bytes=0-9,2000-", 0, 10),
        ("bytes=0-9,-0", 0, 10),
    ],
)
def test_a_range_that_can_be_met_is_answered_in_part(value: str, start: int, end: int) -> None:
    decision = ask(range=value)
    assert (decision.status, decision.start, decision.length) == (206, start, end - start)
    assert dict(decision.headers) == {
        b"accept-ranges": b"bytes",
        b"content-length": b"%d" % (end - start),
        b"content-range": b"bytes %d-%d/1000" % (start, end - 1),
    }


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=5-4",
        "bytes=0-9,5-4",
        "bytes=--5",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=1 -2",
        "bytes=0x1-2",
        "bytes=١-٢",  # digits, but not RFC 9110's  # noqa: RUF001
        "bytes 0-9",
        "items=0-9",
        "bytes=0-9,bytes=20-29",
        "bytes=0-9,20-29",
        "bytes=-1,0-0",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(MAX_RANGES + 1)),
    ],
)
def test_a_range_that_is_malformed_foreign_or_too_much_is_answered_whole(value: str) -> None:
    decision = ask(range=value)
    assert (decision.status, decision.start, decision.length) == (200, 0, 1000)
    assert dict(decision.headers) == {b"accept-ranges": b"bytes", b"content-length": b"1000"}


@pytest.mark.parametrize(
    "value", ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=" + "9" * 5000 + "-", "bytes=2000-,-0"]
)
def test_a_range_beyond_the_end_is_refused_with_the_size(value: str) -> None:
    decision = ask(range=value)
    assert (decision.status, decision.length) == (416, 0)
    assert dict(decision.headers)[b"content-range"] == b"bytes */1000"


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-5", "bytes=7-"])
def test_any_range_of_an_empty_file_is_answered_whole(value: str) -> None:
    assert ask(size=0, range=value).status == 200


def test_sixteen_touching_ranges_are_one() -> None:
    assert ask(range="bytes=" + ",".join(f"{n}-{n}" for n in range(MAX_RANGES))).length == MAX_RANGES


def test_head_ignores_the_range() -> None:
    assert ask("HEAD", range="bytes=0-9").status == 200


@pytest.mark.parametrize(
    ("request_headers", "status"),
    [
        # If-Match: strong comparison, before all else
        ({"if_match": ETAG}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": f'"x", {ETAG}'}, 200),
        ({"if_match": '"x"'}, 412),
        ({"if_match": f"W/{ETAG}"}, 412),
        ({"if_match": "abc-1"}, 412),
        ({"if_match": ""}, 412),
        ({"if_match": ETAG, "if_unmodified_since": EARLIER}, 200),
        ({"if_match": '"x"', "if_none_match": ETAG}, 412),
        ({"if_match": ETAG, "if_none_match": ETAG}, 304),
        ({"if_match": '"x"', "range": "bytes=0-9"}, 412),
        # If-Unmodified-Since
        ({"if_unmodified_since": EARLIER}, 412),
        ({"if_unmodified_since": MODIFIED}, 200),
        ({"if_unmodified_since": LATER}, 200),
        ({"if_unmodified_since": "yesterday"}, 200),
        # If-None-Match: weak comparison, and If-Modified-Since is not looked at then
        ({"if_none_match": ETAG}, 304),
        ({"if_none_match": f"W/{ETAG}"}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": f'"a", W/"b,c", {ETAG}'}, 304),
        ({"if_none_match": f'"a",{ETAG}'}, 304),
        ({"if_none_match": '"x"'}, 200),
        ({"if_none_match": "abc-1"}, 200),
        ({"if_none_match": '"x"', "if_modified_since": LATER}, 200),
        ({"if_none_match": ETAG, "if_modified_since": EARLIER}, 304),
        ({"if_none_match": ETAG, "range": "bytes=0-9"}, 304),
        ({"if_none_match": '"x"', "range": "bytes=0-9"}, 206),
        # If-Modified-Since
        ({"if_modified_since": MODIFIED}, 304),
        ({"if_modified_since": LATER}, 304),
        ({"if_modified_since": EARLIER}, 200),
        ({"if_modified_since": "Sat, 99 Foo 2020"}, 200),
        ({"if_modified_since": "0"}, 200),
        # If-Range: an equal strong tag or the very date
        ({"range": "bytes=0-9", "if_range": ETAG}, 206),
        ({"range": "bytes=0-9", "if_range": '"x"'}, 200),
        ({"range": "bytes=0-9", "if_range": f"W/{ETAG}"}, 200),
        ({"range": "bytes=0-9", "if_range": f'{ETAG}, "x"'}, 200),
        ({"range": "bytes=0-9", "if_range": "abc-1"}, 200),
        ({"range": "bytes=0-9", "if_range": "*"}, 200),
        ({"range": "bytes=0-9", "if_range": ""}, 200),
        ({"range": "bytes=0-9", "if_range": MODIFIED}, 206),
        ({"range": "bytes=0-9", "if_range": EARLIER}, 200),
        ({"range": "bytes=0-9", "if_range": LATER}, 200),
        ({"range": "bytes=2000-", "if_range": '"x"'}, 200),
        ({"range": "bytes=2000-", "if_range": ETAG}, 416),
        ({"if_range": ETAG}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_are_weighed_in_the_order_of_the_rfc(
    method: str, request_headers: dict[str, Any], status: int
) -> None:
    if method == "HEAD" and status in (206, 416):
        status = 200
    assert ask(method, **request_headers).status == status


@pytest.mark.parametrize(
    ("request_headers", "status"),
    [
        ({"if_match": 'W/"abc-1"'}, 412),
        ({"if_match": "*"}, 200),
        ({"if_none_match": '"abc-1"'}, 304),
        ({"range": "bytes=0-9", "if_range": 'W/"abc-1"'}, 200),
        ({"range": "bytes=0-9"}, 206),
    ],
)
def test_a_weak_tag_never_counts_as_strong(request_headers: dict[str, Any], status: int) -> None:
    assert ask(etag='W/"abc-1"', **request_headers).status == status


@pytest.mark.parametrize(
    ("request_headers", "status"),
    [
        ({"if-match": '"a"'}, 412),
        ({"if-none-match": '"a"'}, 200),
        ({"if-modified-since": LATER}, 200),
        ({"if-unmodified-since": EARLIER}, 200),
        ({"range": "bytes=0-9", "if-range": '"a"'}, 200),
        ({"range": "bytes=0-9", "if-range": MODIFIED}, 200),
        ({"range": "bytes=0-9"}, 206),
    ],
)
def test_without_validators_conditions_cannot_hold(request_headers: dict[str, str], status: int) -> None:
    assert decide(method="GET", request=request_headers, size=SIZE).status == status


specifiers = st.one_of(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    st.integers(0, 40).map(lambda first: f"{first}-"),
    st.integers(0, 40).map(lambda suffix: f"-{suffix}"),
)


def positions(specifier: str, size: int) -> set[int] | None:
    """The model: the set of positions that one specifier names, None when it is no range."""
    first, last = specifier.split("-")
    if not first:
        return set(range(size)[-int(last) :]) if int(last) else set()
    if last and int(last) < int(first):
        return None
    return set(range(size)) & set(range(int(first), int(last) + 1 if last else size))


@given(size=st.integers(1, 30), asked=st.lists(specifiers, min_size=1, max_size=5))
def test_agrees_with_sets_of_positions(size: int, asked: list[str]) -> None:
    named = [positions(specifier, size) for specifier in asked]
    decision = decide(method="GET", request={"range": "bytes=" + ",".join(asked)}, size=size)
    sent = set(range(decision.start, decision.start + decision.length))
    if any(one is None for one in named):
        assert (decision.status, sent) == (200, set(range(size)))
        return
    wanted = set().union(*(one for one in named if one is not None))
    is_contiguous = wanted == set(range(min(wanted, default=0), max(wanted, default=-1) + 1))
    assert (decision.status, sent) == (
        (416, set()) if not wanted else (206, wanted) if is_contiguous else (200, set(range(size)))
    )


@given(value=st.text(max_size=60), size=st.integers(0, 100))
def test_no_range_header_can_raise_or_leave_the_file(value: str, size: int) -> None:
    for text in (value, f"bytes={value}"):
        for start, end in parse_range(text, size) or []:
            assert 0 <= start < end <= size


@given(value=st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
@pytest.mark.parametrize("name", ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"])
def test_no_condition_can_raise(name: str, value: str) -> None:
    decision = decide(
        method="GET", request={name: value, "range": "bytes=0-9"}, size=SIZE, etag=ETAG, last_modified=MODIFIED
    )
    assert decision.status in (200, 206, 304, 412)


@given(spans=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10)).map(lambda pair: (pair[0], sum(pair)))))
def test_joining_keeps_every_position_and_leaves_gaps_between(spans: list[tuple[int, int]]) -> None:
    joined = coalesce(spans)
    assert {n for span in joined for n in range(*span)} == {n for span in spans for n in range(*span)}
    assert all(before[1] < after[0] for before, after in pairwise(joined))
