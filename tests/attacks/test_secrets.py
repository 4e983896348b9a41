"""S7 and S16: secrets that a job meets are in no log, no file and no table, but for the exemptions named here."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.attacks.hostile import HostileSite
from tests.attacks.products import own_product
from tests.origin import Origin
from tests.product import API_KEY, ROOT, Product, wait_until

pytestmark = [pytest.mark.promise("S9", "S10"), pytest.mark.processes, pytest.mark.timeout(240)]

TOKEN = "zq7tokeninaquery"
TITLE = "zq7titleofamedium"
BEARER = "zq7bearerofnobody0123456789abcdef0123456789"
LINK = "zq7linkofasignin"
PASSWORD = "zq7passwordofnobody"
COOKIE = "zq7cookievalue"
REFERENCE = "zq7reference"
STORED_COOKIE = "zq7storedcookie"
MARKS = (TOKEN, TITLE, BEARER, PASSWORD, COOKIE, REFERENCE, LINK, STORED_COOKIE, API_KEY)

# (table, column): what is kept because it is the user's own, and shown to nobody else.
EXEMPT = {
    ("downloads_job", "url"),  # what was asked for
    ("downloads_job", "title"),
    ("downloads_job", "metadata"),
    ("downloads_job", "options"),
    ("downloads_job", "client_reference"),
    ("downloads_job", "search"),
    ("downloads_mediafile", "filename"),
    ("downloads_joblog", "message"),  # titles only: tested below
    ("downloads_jobevent", "data"),
}
NEVER = {("downloads_joblog", "message"): (TOKEN, BEARER, PASSWORD, COOKIE, STORED_COOKIE, API_KEY)}

# The product, its answers to strangers, a key of its API, the token of a link, and the secret of a webhook.
After = tuple[Product, list[httpx.Response], str, str, str]


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Any:
    """A product that has met all of the secrets, and what it has answered to strangers."""
    with (
        HostileSite() as site,
        own_product(
            tmp_path_factory.mktemp("secrets"), LOG_LEVEL="INFO", LOG_FORMAT="json", REQUIRE_SANDBOX="1"
        ) as product,
    ):
        meet_secrets(product, origin, site)
        borrow_cookies(product, origin)
        whsec = make_a_webhook(product, origin)
        token = share_a_file(product)
        key = issue_a_key(product)
        errors = provoke(product, key)
        yield product, errors, key, token, whsec


def meet_secrets(product: Product, origin: Origin, site: HostileSite) -> None:
    query = f"title={TITLE}&token={TOKEN}"
    addresses = [
        origin.url(f"/page/og-video?{query}"),
        origin.url(f"/hls/plain/master.m3u8?{query}"),
        origin.url(f"/status/404/clip.mp4?{query}"),
        origin.url(f"/status/403/clip.mp4?{query}"),
        origin.url(f"/html-as.mp4?{query}"),
        origin.url(f"/redirect-to?url=http%3A%2F%2F10.0.0.5%2F%3Ftoken%3D{TOKEN}&token={TOKEN}"),
        f"http://10.0.0.5/?{query}",
        f"http://nowhere.invalid/?{query}",
        site.put("/broken.mp4", "video/mp4", b"\0\0\0\x18ftypisom" + bytes(5000)) + f"?{query}",
    ]
    jobs = [product.submit(address, client_reference=REFERENCE)["request_id"] for address in addresses]
    for job in jobs:
        product.wait_for(job, "completed", "failed", "cancelled", "queued")
    done = product.wait_for(jobs[0])
    product.fetch(f"{done['file_url']}?inline=1&token={TOKEN}")
    product.api.get("/download", params={"q": TITLE})


def borrow_cookies(product: Product, origin: Origin) -> None:
    """A job that would be refused without them, with one more that nobody asks for: its value is the mark."""
    lines = (f"127.0.0.1\tFALSE\t/\tFALSE\t4102444800\t{name}\n" for name in ("session\tzq", f"extra\t{STORED_COOKIE}"))
    stored = product.api.post("/auth/cookies", json={"name": "of a test", "cookies": "".join(lines)})
    assert stored.status_code == 201, stored.text
    url = origin.url("/needs-cookie/session/zq/clip.mp4")
    borrowed = product.submit(url, cookies_id=stored.json()["cookie_id"])["request_id"]
    bare = product.submit(url)["request_id"]
    assert product.wait_for(borrowed)["status"] == "completed"
    assert product.wait_for(bare, "failed")["error_code"] == "login_required"


def make_a_webhook(product: Product, origin: Origin) -> str:
    """Told of a download, and refused by what it is at: a failed delivery keeps more than one that arrives."""
    made = product.api.post("/webhooks", json={"url": origin.url("/status/500/hook"), "events": ["download.completed"]})
    assert made.status_code == 201, made.text
    product.wait_for(product.submit(origin.url("/clip.mp4"))["request_id"])
    deliveries = f"/webhooks/{made.json()['webhook_id']}/deliveries"
    wait_until(lambda: any(row["attempts"] for row in product.api.get(deliveries).json()["results"]), 30)
    return str(made.json()["secret"])


def issue_a_key(product: Product) -> str:
    answer = product.api.post("/keys", json={"name": "of a test", "scopes": ["read", "write"]})
    assert answer.status_code == 201, answer.text
    plain = next(value for value in answer.json().values() if isinstance(value, str) and value.startswith("mdl_"))
    assert product.api.get("/me", headers={"X-API-Key": plain}).status_code == 200
    return str(plain)


def share_a_file(product: Product) -> str:
    """Fetched, mistyped and revoked, so that every kind of answer has been given to its address."""
    jobs = product.api.get("/download", params={"status": "completed"}).json()["results"]
    link = product.api.post(f"/files/{jobs[0]['files'][0]['file_id']}/links", json={}).json()
    url = str(link["url"])
    with httpx.Client(timeout=20, trust_env=False) as client:
        statuses = [client.get(address).status_code for address in (url, url.replace("/s/", "/s/x"), f"{url}/{url}")]
        client.post(url)
        product.api.delete(f"/links/{link['link_id']}")
        statuses.append(client.get(url, headers={"Accept": "text/html"}).status_code)
    assert statuses == [200, 404, 404, 410]
    return url.split("/")[4]


def provoke(product: Product, key: str) -> list[httpx.Response]:
    """Error answers, to requests that carry secrets in every place there is."""
    root = f"http://127.0.0.1:{product.port}"
    headers = {"Authorization": f"Bearer {BEARER}", "Cookie": f"sessionid={COOKIE}", "Referer": f"{root}/?t={TOKEN}"}
    answers = []
    with httpx.Client(timeout=20, trust_env=False, headers=headers) as client:
        for path in ("/", "/nowhere", "/api/v1/download", "/api/v1/nowhere", "/admin/", "/jobs/x", "/metrics"):
            answers += [client.get(f"{root}{path}?token={TOKEN}"), client.post(f"{root}{path}?token={TOKEN}")]
        answers.append(client.post(f"{root}/accounts/sign-in/link/{LINK}/"))
        form = {"username": "nobody", "password": PASSWORD}
        answers.append(client.post(f"{root}/accounts/sign-in/?token={TOKEN}", data=form))
    for key_in in (f"?api_key={key}", f"?key={API_KEY}", f"?X-API-Key={key}"):
        answers.append(httpx.get(f"{root}/api/v1/me{key_in}", trust_env=False))
    wrong = {"url": f"ftp://u:{PASSWORD}@h/?t={TOKEN}", "client_reference": 5, "quality": TOKEN[:3]}
    answers.append(product.api.post("/download", json=wrong))
    return answers


def test_the_log_has_none_of_them(after: After) -> None:
    product, _, *issued = after
    log = product.log()
    assert "guard" in log or "request" in log
    lines = [(mark, line[:400]) for line in log.splitlines() for mark in (*MARKS, *issued) if mark in line]
    assert lines == []
    assert not re.findall(r"GET /\S*\?\S+", log), "a query string"


def test_answers_to_strangers_repeat_none_of_them(after: After) -> None:
    _, errors, *issued = after
    for answer in errors:
        assert answer.status_code < 500, answer.url
        told = answer.text + "".join(value for name, value in answer.headers.items() if name.lower() != "location")
        assert not [mark for mark in (BEARER, PASSWORD, COOKIE, API_KEY, *issued) if mark in told], answer.url
        assert "Traceback" not in told


def test_the_database_has_none_of_them_but_where_they_belong(
    after: After,
) -> None:
    product, _, *issued = after
    found = {
        (table, column, mark, value[:300])
        for table, column, value in cells(product)
        for mark in (*MARKS, *issued)
        if mark in value and ((table, column) not in EXEMPT or mark in NEVER.get((table, column), ()))
    }
    assert found == set()


def cells(product: Product) -> list[tuple[str, str, str]]:
    if "DATABASE_URL" in product.environment:
        return dumped(product)
    with closing(sqlite3.connect(f"file:{product.data_dir / 'mediadl.sqlite3'}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = []
        for table in tables:
            cursor = database.execute(f'SELECT * FROM "{table}"')
            names = [item[0] for item in cursor.description]
            rows += [(table, name, str(value)) for row in cursor for name, value in zip(names, row, strict=True)]
    return rows


def dumped(product: Product) -> list[tuple[str, str, str]]:
    """By psycopg in a process of its own: the tests' own connection is to another database."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(product.environment["DATABASE_URL"]) as database:
        tables = database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = []
        for (table,) in tables:
            cursor = database.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            names = [item.name for item in cursor.description or ()]
            rows += [(table, name, str(value)) for row in cursor for name, value in zip(names, row, strict=True)]
    return rows


def test_the_disk_has_none_of_them_outside_the_database(after: After) -> None:
    """Exempt: title and address are in the medium's own tags, as yt-dlp writes them (embed_metadata)."""
    product, _, *issued = after
    for path in product.data_dir.rglob("*"):
        if not path.is_file() or path.name.startswith("mediadl.sqlite3"):
            continue
        content = path.read_bytes()
        allowed = {TITLE, TOKEN} if path.relative_to(product.data_dir).parts[0] in {"files", "work"} else set()
        found = [mark for mark in (*MARKS, *issued) if mark.encode() in content and mark not in allowed]
        assert found == [], path.relative_to(product.data_dir)


def test_processes_show_none_of_them(after: After) -> None:
    """Command lines are for everybody on the machine to read.

    Exempt: ffmpeg is given title and address while it writes them as tags.
    """
    product, _, *issued = after
    for command in product.pids().values():
        allowed = {TITLE, TOKEN} if "ffmpeg" in command.split(" ")[0] else set()
        assert not [mark for mark in (*MARKS, *issued) if mark in command and mark not in allowed], command


def test_the_children_are_given_no_secrets(after: After) -> None:
    product, *_ = after
    for pid, command in product.pids().items():
        if "forkserver" in command:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert not [name for name in (b"API_KEY", b"SECRET", b"DATABASE_URL") if name in environment]


def test_a_revoked_key_stops_at_once(after: After) -> None:
    """Last in the module: by every web process, within a second."""
    product, _, key, *_ = after
    mine = next(entry for entry in product.api.get("/keys").json()["results"] if entry["name"] == "of a test")
    assert product.api.delete(f"/keys/{mine['key_id']}").status_code in {200, 204}
    bodies = set()
    for presented in (key, BEARER, "mdl_nonsense"):
        answer = product.api.get("/me", headers={"X-API-Key": presented})
        assert answer.status_code == 401
        bodies.add(re.sub(r"[0-9a-f-]{32,36}", "", answer.text))
    assert len(bodies) == 1


def test_doctor_shows_no_secret(after: After) -> None:
    product, *_ = after
    command = [sys.executable, str(ROOT / "manage.py"), "doctor"]
    told = subprocess.run(command, env=product.environment, capture_output=True, text=True, timeout=60, check=False)
    assert API_KEY not in told.stdout + told.stderr
    assert urlsplit(product.environment.get("DATABASE_URL", "")).password in {None, ""}
