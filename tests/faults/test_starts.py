"""Nodes that start at the same moment, on a database that has nothing yet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from downloads.migrating import MIGRATION_LOCK
from tests.faults.conftest import Bench
from tests.faults.nodes import SECRET_KEY

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

NODES = 3


def test_nodes_that_start_at_once_migrate_one_after_another(make_oracle: Bench) -> None:
    first = make_oracle(SECRET_KEY=SECRET_KEY, NODE_NAME="node-1", is_started=False).product
    database = first.environment["DATABASE_URL"]
    others = [
        make_oracle(SECRET_KEY=SECRET_KEY, NODE_NAME=f"node-{number}", DATABASE_URL=database, is_started=False).product
        for number in range(2, NODES + 1)
    ]
    products = [first, *others]

    with ThreadPoolExecutor(NODES) as threads:
        list(threads.map(lambda product: product.start(), products))

    assert [product.log() for product in products if "Traceback" in product.log()] == []
    with psycopg.connect(database) as connection:
        query = "SELECT app, name FROM django_migrations GROUP BY app, name HAVING count(*) > 1"
        assert connection.execute(query).fetchall() == []
        assert connection.execute("SELECT count(*) FROM accounts_user").fetchone() == (1,)
        held = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = %s AND objsubid = 1"
        )
        assert connection.execute(held, [MIGRATION_LOCK]).fetchone() == (0,)
