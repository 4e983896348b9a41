"""What the admin's lists and pages cost with 1,000 and with 1,000,000 rows in each table, by the answers of the site.

BENCH_DATABASES=sqlite or postgres for one of them. --explain prints the plan of the slowest statement of what is slow.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

from bench.admin_rows import MANY, fill, first_rows
from bench.stand import databases, measure_apart

FEW = 1_000
REQUESTS = 9
# What is slower is asked for less often.
PATIENCE_SECONDS = 6.0
SLOW_MS = 300


def main() -> None:
    if "--here" in sys.argv:
        measure()
        return
    for database in databases():
        print(f"-- {database}", flush=True)
        measure_apart("bench.admin", database, *sys.argv[1:], LOG_LEVEL="ERROR", MEDIADL_TESTING="1")


def measure() -> None:
    import django  # noqa: PLC0415 - settings are read from the environment

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import setup_test_environment  # noqa: PLC0415

    from tests.factories import UserFactory  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    setup_test_environment()
    client = Client()
    client.force_login(UserFactory(username="operator", is_staff=True, is_superuser=True))
    rows = first_rows()
    fill(rows, 1, FEW)
    few = {name: cost(client, path) for name, path in pages(FEW)}
    began = time.perf_counter()
    fill(rows, FEW + 1, MANY)
    print(f"{MANY:,} rows in each of {len(rows)} tables, made in {time.perf_counter() - began:.0f} s", flush=True)
    for name, path in pages(MANY):
        (median, least), (median_few, least_few) = cost(client, path), few[name]
        medians = f"{median_few:8.1f} ms → {median:8.1f} ms"
        print(f"{name:<40} {medians}   least {least_few:8.1f} → {least:8.1f}", flush=True)
        if least > SLOW_MS and "--explain" in sys.argv:
            explain(client, path)


# --- What is asked for --------------------------------------------------------------------------------------------

LISTS = {
    "downloads/job": {
        "the last page": "p={last}",
        "older": "pk__lt={job}",
        "by id": "q={job}",
        "by link": "q=https://media.example/watch/77",
        "by a title that many have": "q=violin",
        "by a title that three have": "q=needle",
        "by a title that nobody has": "q=haystack",
        "by owner": "q=user-7",
        "by error": "q=bot_check",
        "by an error that nobody had": "q=drm_protected",
        "the queued": "status__exact=queued",
        "the completed": "status__exact=completed",
        "the failed": "status__exact=failed",
        "the running": "status__exact=running",
        "the paused": "status__exact=paused",
        "the kept": "is_kept__exact=1",
        "of one owner, failed": "owner__id__exact={owner}&status__exact=failed",
        "of a key": "api_key__id__exact={key}",
        "of the key of half of them": "api_key__id__exact={first_key}",
        "by progress (sorted in the address)": "o=3",
        "the oldest first": "o=6",
    },
    "downloads/batch": {
        "by title": "q=needle",
        "by owner": "q=user-7",
        "by link": "q=https://media.example/list/77",
        "the failed": "status__exact=failed",
    },
    "downloads/mediafile": {
        "by name": "q=needle",
        "subtitles": "kind__exact=subtitle",
        "the deleted": "deleted_at__isempty=0",
        "of a job": "job__id__exact={job}",
        "by link": "q=https://media.example/watch/77",
        "by the owner of half": "q=user-0",
    },
    "downloads/jobevent": {
        "of a job": "q={job}",
        "by kind": "q=failed",
        "by owner": "q=user-7",
        "by error": "q=bot_check",
    },
    "downloads/joblog": {
        "of a job": "q={job}",
        "by error": "q=bot_check",
        "by a line": "q=needle",
        "errors": "level=error",
    },
    "downloads/cookiejar": {"by name": "q=needle"},
    "downloads/link": {
        "by label": "q=needle",
        "the revoked": "revoked_at__isempty=0",
        "of a file": "file__id__exact={file}",
    },
    "downloads/downloaded": {"by owner": "q=user-7", "by id of the media": "q=needle"},
    "webhooks/endpoint": {"by address": "q=needle", "the disabled": "is_enabled__exact=0"},
    "webhooks/delivery": {
        "of a job": "q={job}",
        "of a job, by its page": "request_id__exact={job}",
        "by owner": "q=user-7",
        "by the owner of half": "q=user-0",
        "by error": "q=bad_status",
        "by an answer": "q=503",
        "by address": "q=needle",
        "the dead": "status__exact=dead",
        "of an event": "event=job.failed",
    },
    "accounts/apikey": {"by name": "q=needle", "by owner": "q=user-7", "the revoked": "revoked_at__isempty=0"},
    "accounts/user": {"by name": "q=user-77", "by no name": "q=haystack", "operators": "is_staff__exact=1"},
    "axes/accessattempt": {"by name": "q=guess-77", "by part of it": "q=needle"},
    "admin/logentry": {"by id": "q=77", "by words": "q=needle", "of a kind": "action_flag__exact=1"},
}


def pages(count: int) -> Iterator[tuple[str, str]]:
    from accounts.models import ApiKey, User  # noqa: PLC0415
    from downloads.models import Job, MediaFile  # noqa: PLC0415

    first_key, key = (ApiKey.objects.get(prefix=prefix).pk for prefix in ("p1", "p77"))
    file = MediaFile.objects.get(storage_key="key-77").pk
    middle = Job.objects.order_by("-pk")[count // 2 : count // 2 + 1].get().pk
    owner = User.objects.get(username="user-7").pk
    yield "the front page", "/admin/"
    for table, asked in LISTS.items():
        yield table, f"/admin/{table}/"
        for name, query in asked.items():
            ids = {"job": middle, "owner": owner, "key": key, "first_key": first_key, "file": file}
            yield f"{table}, {name}", f"/admin/{table}/?{query.format(last=min(200, count // 50), **ids)}"
    yield "a job", f"/admin/downloads/job/{middle}/change/"
    yield "a user", f"/admin/accounts/user/{owner}/change/"
    for page in ("queue", "storage", "system"):
        yield page, f"/admin/{page}/"
    yield "queue, of one owner", f"/admin/queue/?owner={owner}"
    yield "storage, with nothing remembered", "/admin/storage/?afresh"


def cost(client: Any, path: str) -> tuple[float, float]:
    """Milliseconds, the median and the least."""
    from django.core.cache import cache  # noqa: PLC0415

    taken: list[float] = []
    while len(taken) <= REQUESTS and sum(taken) < PATIENCE_SECONDS * 1000:
        if "afresh" in path:
            cache.clear()
        began = time.perf_counter()
        answer = client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[1:] or taken), min(taken)


def explain(client: Any, path: str) -> None:
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    slowest = max(captured.captured_queries, key=lambda query: float(query["time"]))
    print(f"    {slowest['time']} s: {slowest['sql'][:1500]}")
    word = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN (ANALYZE, COSTS OFF)"
    with connection.cursor() as cursor:
        cursor.execute(f"{word} {slowest['sql'].replace('%', '%%')}", [])
        print("\n".join(f"      {row[-1]}" for row in cursor.fetchall()), flush=True)


if __name__ == "__main__":
    main()
