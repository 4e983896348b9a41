from __future__ import annotations

import io
import re
from http.cookiejar import Cookie as JarCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yt_dlp.cookies import YoutubeDLCookieJar

from downloads import netscape
from downloads.netscape import Cookie, NetscapeError

SECRET = "zq7value"
GOOD = f".site.example\tTRUE\t/\tTRUE\t4102444800\tsession\t{SECRET}"
COOKIE = Cookie(
    domain="site.example",
    has_subdomains=True,
    path="/",
    is_secure=True,
    expires=4_102_444_800,
    name="session",
    value=SECRET,
)


def line(**changes: str) -> str:
    columns = {
        "domain": ".site.example",
        "subdomains": "TRUE",
        "path": "/",
        "secure": "TRUE",
        "expires": "4102444800",
        "name": "session",
        "value": SECRET,
    }
    return "\t".join({**columns, **changes}.values())


def refusal(text: str) -> str:
    with pytest.raises(NetscapeError) as error:
        netscape.parse(text)
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"{GOOD}\n",
        f"{netscape.HEADER}\n\n{GOOD}\n",
        f"\ufeff{netscape.HEADER}\r\n# a comment\r\n   \r\n{GOOD}\r\n",
        f"#HttpOnly_{GOOD}",
        line(domain="site.example"),
        line(domain=".SITE.example"),
        line(expires="4102444800.123", secure="true"),
    ],
)
def test_reads_what_browsers_export(text: str) -> None:
    assert netscape.parse(text) == [COOKIE]


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"domain": "site.example", "subdomains": "FALSE"}, "has_subdomains", False),
        ({"domain": "127.0.0.1", "subdomains": "FALSE"}, "domain", "127.0.0.1"),
        ({"secure": "FALSE"}, "is_secure", False),
        ({"expires": "0"}, "expires", None),
        ({"expires": ""}, "expires", None),
        ({"expires": "99999999999999999"}, "expires", netscape.LATEST),
        ({"value": ""}, "value", ""),
        ({"value": 'a="b, c" d'}, "value", 'a="b, c" d'),
        ({"path": "/a/b?c=d"}, "path", "/a/b?c=d"),
    ],
)
def test_reads_each_column(changes: dict[str, str], name: str, expected: object) -> None:
    (cookie,) = netscape.parse(line(**changes))
    assert getattr(cookie, name) == expected


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (line(expires="soon"), "fifth column"),
        (line(expires="-1"), "fifth column"),
        (line(expires="1e9"), "fifth column"),
        (line(expires="٣٠٠٠٠"), "fifth column"),
        (line(subdomains="YES"), "second column"),
        (line(secure="1"), "fourth column"),
        (line(path="relative"), "third column"),
        (line(path=""), "third column"),
        (line(path="/a;b"), "third column"),
        (line(name=""), "sixth column"),
        (line(name="a=b"), "sixth column"),
        (line(name="a b"), "sixth column"),
        (line(name="n" * 300), "name is longer"),
        (line(value="a; other=b"), "the value has a character"),
        (line(value="ü"), "the value has a character"),
        (line(value="\u2028"), "the value has a character"),
        (line(value="v" * 4097), "value is longer"),
        (line(value="a\rb"), "control character"),
        (line(value="a\x00b"), "control character"),
        (line(value="a\x0bb"), "control character"),
        (line(value="a\x85b"), "control character"),
        (line(domain=""), "first column"),
        (line(domain="site example"), "first column"),
        (line(domain="sité.example"), "first column"),
        (line(domain="-a.example"), "first column"),
        (line(domain="site.example."), "first column"),
        (line(domain="..site.example"), "first column"),
        (line(domain="https://site.example"), "first column"),
        (line(domain="a" * 64 + ".example"), "first column"),
        (line(domain=".".join(["abcdefgh"] * 30)), "first column"),
        (line(domain=".com"), "top-level domain"),
        (line(domain="com"), "top-level domain"),
        (line(domain=".10.0.0.1"), "top-level domain or an address"),
        (line(subdomains="FALSE"), "begins with a dot"),
        (GOOD.rsplit("\t", 1)[0], "6 columns"),
        (f"{GOOD}\tmore", "8 columns"),
        (GOOD.replace("\t", " "), "no tabs"),
        (f"session={SECRET}; other=1", "no tabs"),
        (f"#HttpOnly_{GOOD}\tmore", "8 columns"),
        (f"# a comment\r{GOOD}", "control character"),
    ],
)
def test_refuses_what_is_no_cookie_with_the_number_of_its_line(bad: str, said: str) -> None:
    assert re.match(rf"Line 3: .*{said}", refusal(f"{netscape.HEADER}\n{GOOD}\n{bad}\n{GOOD}\n"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no cookies"),
        (f"{netscape.HEADER}\n\n", "no cookies"),
        ('[{"domain": ".site.example"}]', "JSON"),
        ("x" * (netscape.MAX_BYTES + 1), "KiB"),
        (f"{line(value='')}\n" * (netscape.MAX_COOKIES + 1), "more than 2000"),
    ],
)
def test_refuses_the_whole_of_what_has_no_cookies_or_too_many(text: str, said: str) -> None:
    assert said in refusal(text)


def test_names_the_first_bad_lines_and_stops() -> None:
    with pytest.raises(NetscapeError) as error:
        netscape.parse("no cookie\n" * 50)
    assert [complaint.line for complaint in error.value.complaints] == list(range(1, 11))


def test_only_utf_8_is_text() -> None:
    assert netscape.decode(b"\xef\xbb\xbfa") == "a"
    with pytest.raises(NetscapeError, match="Line 2"):
        netscape.decode(b"a\n\xff\xfe")


def test_knows_the_domains_and_the_last_expiry() -> None:
    cookies = netscape.parse("\n".join([line(), line(domain=".b.example", expires="5"), line(expires="7")]))
    assert netscape.domains_of(cookies) == ["b.example", "site.example"]
    assert netscape.last_expiry(cookies) == 4_102_444_800
    assert netscape.last_expiry([*cookies, *netscape.parse(line(expires="0"))]) is None


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?", fullmatch=True)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=";"), max_size=40)
COOKIES = st.builds(
    Cookie,
    domain=st.builds(lambda *labels: ".".join((*labels, "example")), LABELS, LABELS),
    has_subdomains=st.booleans(),
    path=PRINTABLE.map(lambda text: "/" + text.replace(" ", "")),
    is_secure=st.booleans(),
    expires=st.none() | st.integers(1, netscape.LATEST),
    name=PRINTABLE.map(lambda text: "n" + re.sub("[ =]", "", text)),
    value=PRINTABLE,
)


@given(st.lists(COOKIES, min_size=1, max_size=8))
def test_what_is_written_is_read_as_the_same(cookies: list[Cookie]) -> None:
    assert netscape.parse(netscape.write(cookies)) == cookies


@given(st.lists(COOKIES, min_size=1, max_size=4, unique_by=lambda cookie: (cookie.domain, cookie.path, cookie.name)))
def test_yt_dlp_reads_all_that_is_written(cookies: list[Cookie]) -> None:
    jar = YoutubeDLCookieJar()
    jar.load(io.StringIO(netscape.write(cookies)))
    assert {_facts(cookie) for cookie in jar} == {
        (c.domain, c.has_subdomains, c.path, c.is_secure, c.expires, c.name, c.value) for c in cookies
    }


def _facts(cookie: JarCookie) -> tuple[object, ...]:
    return (
        cookie.domain.removeprefix("."),
        cookie.domain_specified,
        cookie.path,
        cookie.secure,
        cookie.expires,
        cookie.name,
        cookie.value,
    )


@given(
    st.text(max_size=200) | st.lists(st.sampled_from([*GOOD.split("\t"), "\t", "\n", "\r", "#", "\x00"])).map("".join)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        cookies = netscape.parse(text)
    except NetscapeError:
        return
    assert netscape.parse(netscape.write(cookies)) == cookies
