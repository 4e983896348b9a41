"""A row of everything that the admin lists, and a million like it, made by the database itself."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

MANY = int(os.environ.get("BENCH_ROWS", "1000000"))
OWNERS = 500
OWNER, JOB, FILE, ENDPOINT, KEY = "01a0", "01a2", "01a3", "01a4", "01a6"


class Dialect:
    """Expressions of `number`, from 1 on."""

    def __init__(self, vendor: str) -> None:
        self.is_sqlite = vendor == "sqlite"

    def numbers(self, start: int, end: int) -> str:
        if self.is_sqlite:
            return (
                f"(WITH RECURSIVE one(number) AS (SELECT {start} UNION ALL SELECT number + 1 FROM one"
                f" WHERE number < {end}) SELECT number FROM one) AS counted"
            )
        return f"generate_series({start}::bigint, {end}::bigint) AS counted(number)"

    def hex(self, prefix: str, number: str, length: int) -> str:
        if self.is_sqlite:
            return f"printf('{prefix}%0{length - len(prefix)}x', {number})"
        return f"('{prefix}' || lpad(to_hex({number}), {length - len(prefix)}, '0'))"

    def uuid(self, prefix: str, number: str = "number") -> str:
        return self.hex(prefix, number, 32) + ("" if self.is_sqlite else "::uuid")

    def ago(self, seconds: str) -> str:
        if self.is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({seconds}) || ' seconds')"
        return f"now() - ({seconds}) * interval '1 second'"

    def bool(self, condition: str) -> str:
        return f"CASE WHEN {condition} THEN 1 ELSE 0 END" if self.is_sqlite else f"({condition})"


def made(sql: Dialect) -> dict[str, dict[str, str]]:
    """By table and column, what differs from its first row. One owner has half of everything."""
    owner = f"CASE WHEN number % 2 = 0 THEN {sql.uuid(OWNER, '0')} ELSE {sql.uuid(OWNER, f'number % {OWNERS}')} END"
    needle = "CASE WHEN number IN (7, 77, 777) THEN 'needle' WHEN number % 1000 = 9 THEN 'violin' ELSE 'film' END"
    titled = f"'A ' || ({needle}) || ' ' || number"
    address = "'https://media.example/watch/' || number"
    # Two seconds between two jobs.
    created = sql.ago(f"2 * ({MANY} - number)")
    waits = "number % 10 IN (1, 2)"
    failed, cancelled, paused = "number % 11 = 5", "number % 500 = 3", "number % 1000 = 4"
    has_ended = f"NOT ({waits} OR {paused})"
    status = (
        f"CASE WHEN {waits} THEN 'queued' WHEN {paused} THEN 'paused' WHEN {failed} THEN 'failed'"
        f" WHEN {cancelled} THEN 'cancelled' ELSE 'completed' END"
    )
    job = {"job_id": sql.uuid(JOB)}
    of_owner = {"owner_id": owner}
    return {
        "accounts_user": {"id": sql.uuid(OWNER, "number - 1"), "username": "'user-' || (number - 1)"},
        "downloads_job": {
            "id": sql.uuid(JOB),
            **of_owner,
            "api_key_id": f"CASE WHEN number % 2 = 0 THEN {sql.uuid(KEY, '1')} ELSE {sql.uuid(KEY)} END",
            "title": titled,
            "url": address,
            "host": "'media-' || (number % 50) || '.example'",
            "priority": "CASE WHEN number % 7 = 0 THEN 10 ELSE 0 END",
            "status": status,
            "error_code": f"CASE WHEN {has_ended} AND {failed} THEN CASE WHEN number % 2 = 0 THEN 'not_found'"
            " ELSE 'bot_check' END ELSE '' END",
            "is_kept": sql.bool("number % 2000 = 6"),
            "created_at": created,
            "eligible_at": created,
            "started_at": created,
            "finished_at": f"CASE WHEN {has_ended} THEN {created} ELSE NULL END",
            "expires_at": f"CASE WHEN {has_ended} AND number % 3 = 0 THEN {sql.ago('-number')} ELSE NULL END",
            "fingerprint": "NULL",
        },
        "downloads_batch": {
            "id": sql.uuid("01a5"),
            **of_owner,
            "title": titled,
            "url": "'https://media.example/list/' || number",
            "status": "CASE WHEN number % 11 = 5 THEN 'failed' ELSE 'completed' END",
            "finished_at": created,
        },
        "downloads_mediafile": {
            "id": sql.uuid(FILE),
            **job,
            "filename": f"{titled} || '.mp4'",
            "storage_key": "'key-' || number",
            "size_bytes": "(number * 7919) % 1000000007",
            "kind": "CASE WHEN number % 40 = 1 THEN 'subtitle' ELSE 'media' END",
            "created_at": created,
            "deleted_at": f"CASE WHEN number % 3 = 1 THEN {created} ELSE NULL END",
        },
        "downloads_jobevent": {
            "id": "number + 10",
            **job,
            **of_owner,
            "kind": "CASE WHEN number % 11 = 5 THEN 'failed' ELSE 'completed' END",
        },
        "downloads_joblog": {
            "id": "number + 10",
            **job,
            "message": titled,
            "level": "CASE WHEN number % 11 = 5 THEN 'error' ELSE 'info' END",
        },
        "accounts_apikey": {
            "id": sql.uuid(KEY),
            **of_owner,
            "name": titled,
            "prefix": "'p' || number",
            "digest": sql.hex("", "number", 64),
            "revoked_at": f"CASE WHEN number % 9 = 1 THEN {created} ELSE NULL END",
        },
        "downloads_cookiejar": {"id": sql.uuid("01a7"), **of_owner, "name": titled},
        "downloads_link": {
            "id": sql.uuid("01a8"),
            **of_owner,
            "file_id": sql.uuid(FILE),
            "label": titled,
            "revoked_at": f"CASE WHEN number % 9 = 1 THEN {created} ELSE NULL END",
        },
        "downloads_downloaded": {"id": "number + 10", **of_owner, "media_id": f"({needle}) || '-' || number"},
        "webhooks_endpoint": {
            "id": sql.uuid(ENDPOINT),
            **of_owner,
            "url": f"'https://hooks.example/' || ({needle}) || '/' || number",
            "is_enabled": sql.bool("number % 9 <> 1"),
            "disabled_reason": "CASE WHEN number % 9 = 1 THEN 'operator' ELSE '' END",
        },
        "webhooks_delivery": {
            "id": sql.uuid("01a9"),
            **of_owner,
            "endpoint_id": sql.uuid(ENDPOINT),
            "request_id": sql.uuid(JOB),
            "url": f"'https://hooks.example/' || ({needle}) || '/' || number",
            "status": "CASE WHEN number % 11 = 5 THEN 'dead' ELSE 'delivered' END",
            "error": "CASE WHEN number % 11 = 5 THEN 'bad_status' ELSE '' END",
            "event": "CASE WHEN number % 11 = 5 THEN 'job.failed' ELSE 'job.completed' END",
            "finished_at": created,
        },
        "axes_accessattempt": {"id": "number + 10", "username": "'guess-' || number"},
        "django_admin_log": {
            "id": "number + 10",
            "user_id": owner,
            "object_id": sql.uuid(JOB) if sql.is_sqlite else f"{sql.uuid(JOB)}::text",
            "object_repr": titled,
            "action_time": created,
        },
    }


def first_rows() -> list[Any]:
    """One of each table, owners first. All others are like it but for what `made` says."""
    from axes.models import AccessAttempt  # noqa: PLC0415
    from django.contrib.admin.models import LogEntry  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from accounts.models import ApiKey, Scope  # noqa: PLC0415
    from downloads.models import CookieJar, Downloaded, JobEvent, JobLog, Link, Node  # noqa: PLC0415
    from tests.factories import BatchFactory, JobFactory, MediaFileFactory, UserFactory  # noqa: PLC0415
    from webhooks.models import Delivery, Endpoint  # noqa: PLC0415

    user = UserFactory(username="first")
    job = JobFactory(owner=user, finished=True, title="The first")
    file = MediaFileFactory(job=job)
    JobEvent.objects.append(job, "completed")
    JobLog.objects.append(job, [(timezone.now(), "info", "a line")])
    key, _ = ApiKey.objects.issue(user, "first", [Scope.READ])
    Node.objects.pulse("node-1", slots=4, version="1.0")
    later = timezone.now() + timedelta(days=300)
    endpoint = Endpoint.objects.create(owner=user, url="https://hooks.example/1", sealed_secret="x")
    sent = {"url": endpoint.url, "event": "job.completed", "status": "delivered", "finished_at": timezone.now()}
    LogEntry.objects.log_actions(user.pk, [job], 2, change_message="Cancelled.")
    return [
        user,
        key,
        job,
        BatchFactory(owner=user, status="completed", finished_at=timezone.now()),
        file,
        JobEvent.objects.get(),
        JobLog.objects.get(),
        CookieJar.objects.create(
            owner=user, name="first", ciphertext="x", domains=["a.example"], cookie_count=1, expires_at=later
        ),
        Link.objects.create(owner=user, file=file, created_at=timezone.now(), expires_at=later),
        Downloaded.objects.create(owner=user, extractor="site", media_id="1"),
        endpoint,
        Delivery.objects.create(owner=user, endpoint=endpoint, body="{}", **sent),
        AccessAttempt.objects.create(username="first", ip_address="192.0.2.1", failures_since_start=1),
        LogEntry.objects.get(),
    ]


def fill(rows: list[Any], start: int, end: int) -> None:
    from django.db import connection  # noqa: PLC0415

    sql = Dialect(connection.vendor)
    changes = made(sql)
    with connection.cursor() as cursor:
        for row in rows:
            names = row._meta  # noqa: SLF001 - public in all but its name
            columns = [f'"{field.column}"' for field in names.concrete_fields]
            changed = changes[names.db_table]
            values = [changed.get(field.column, f'one."{field.column}"') for field in names.concrete_fields]
            key = row.pk.hex if sql.is_sqlite and hasattr(row.pk, "hex") else row.pk
            cursor.execute(
                f"INSERT INTO {names.db_table} ({', '.join(columns)}) SELECT {', '.join(values)}"
                f" FROM {names.db_table} AS one, {sql.numbers(start, end)}"
                f" WHERE one.{names.pk.column} = %s".replace("%", "%%").replace("%%s", "%s"),
                [key],
            )
        cursor.execute("ANALYZE" if sql.is_sqlite else "VACUUM ANALYZE")
