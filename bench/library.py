"""What a page of the library costs with 1,000 and with 1,000,000 jobs of one owner, on PostgreSQL, by the API's answer.

Prints medians, and the plans of the queries behind the slower half.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from bench.stand import measure_apart

FEW, MANY = 1_000, 1_000_000
REQUESTS = 60
BOUND = 1.5
PATHS = {
    "a page of 20": "/api/v1/download?limit=20",
    "the failed": "/api/v1/download?limit=20&status=failed",
    "a title that many have": "/api/v1/download?limit=20&q=violin",
    "a title that three have": "/api/v1/download?limit=20&q=needle",
    "a title that nobody has": "/api/v1/download?limit=20&q=haystack",
    "a reference": "/api/v1/download?limit=20&q=order-100",
}
# Every eleventh has failed, a thousandth is about a violin, three about a needle; a moment lies between two of them.
FILL = """
    INSERT INTO downloads_job ({columns})
    SELECT {values} FROM downloads_job AS one, generate_series(%s, %s) AS number WHERE one.id = %s
"""
MADE = {
    "id": "('01a2' || lpad(to_hex(number), 28, '0'))::uuid",
    "title": "CASE WHEN number IN (7, 77, 777) THEN 'A needle' WHEN number %% 1000 = 9 THEN 'A violin ' || number"
    " ELSE 'Film ' || md5(number::text) END",
    "url": "'https://media.example/watch/' || md5((number * 7)::text)",
    "client_reference": "CASE WHEN number %% 50 = 0 THEN 'order-' || number ELSE '' END",
    "status": "CASE WHEN number %% 11 = 0 THEN 'failed' ELSE 'completed' END",
    "error_code": "CASE WHEN number %% 11 = 0 THEN 'not_found' ELSE '' END",
    "fingerprint": "NULL",
}


def main() -> None:
    if "--here" in sys.argv:
        measure()
        return
    limits = {"RATE_LIMIT_PER_MINUTE": "10000000", "RATE_LIMIT_PER_HOUR": "10000000"}
    measure_apart("bench.library", "postgres", LOG_LEVEL="ERROR", MEDIADL_TESTING="1", **limits)


def measure() -> None:
    import django  # noqa: PLC0415 - settings are read from the environment

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import setup_test_environment  # noqa: PLC0415

    from accounts.models import ApiKey, Scope  # noqa: PLC0415
    from tests.factories import JobFactory, UserFactory  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    setup_test_environment()
    user = UserFactory()
    _, key = ApiKey.objects.issue(user, "bench", [Scope.READ])
    client = Client(headers={"X-API-Key": key})
    first = JobFactory(owner=user, finished=True)
    fill(first, 1, FEW)
    few = {name: cost(client, path) for name, path in PATHS.items()}
    began = time.perf_counter()
    fill(first, FEW + 1, MANY)
    print(f"{MANY:,} rows made in {time.perf_counter() - began:.0f} s")
    for name, path in PATHS.items():
        many = cost(client, path)
        print(f"{name:<26} {few[name]:6.2f} ms → {many:6.2f} ms   {many / few[name]:.2f} (bound {BOUND})", flush=True)
    for path in PATHS.values():
        explain(client, path)


def fill(one: Any, start: int, end: int) -> None:
    from django.db import connection  # noqa: PLC0415

    names = [field.column for field in one._meta.concrete_fields]  # noqa: SLF001 - public in all but its name
    values = ", ".join(MADE.get(name, f"one.{name}") for name in names)
    with connection.cursor() as cursor:
        statement = FILL.format(columns=", ".join(names), values=values)
        cursor.execute(statement, [start, end, one.pk])
        cursor.execute("VACUUM ANALYZE downloads_job")


def cost(client: Any, path: str) -> float:
    """Milliseconds, the median of REQUESTS."""
    taken = []
    for _ in range(REQUESTS + 5):
        began = time.perf_counter()
        if client.get(path).status_code != 200:
            raise RuntimeError(path)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[5:])


def explain(client: Any, path: str) -> None:
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    queries = [query["sql"] for query in captured if 'FROM "downloads_job"' in query["sql"]]
    print(f"\n{path}")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {queries[0]}")
        print("\n".join(f"    {line}" for (line,) in cursor.fetchall()))


if __name__ == "__main__":
    main()
