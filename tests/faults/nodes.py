"""Two whole products on one PostgreSQL, each with a disk of its own: what a second machine is."""

from __future__ import annotations

from collections.abc import Mapping

from tests.faults.conftest import Bench
from tests.faults.oracles import Oracle

# It signs the queue's tasks, so that nodes which share a queue share it.
SECRET_KEY = "shared-by-all-nodes-of-these-tests-0123456789abcdefgh"


def two_nodes(make_oracle: Bench, second: Mapping[str, str] | None = None) -> tuple[Oracle, Oracle]:
    """The first knows both disks, and so gives the verdict; `second` is the environment of the other."""
    first = make_oracle(SECRET_KEY=SECRET_KEY, NODE_NAME="first")
    database = first.product.environment["DATABASE_URL"]
    other = make_oracle(second, SECRET_KEY=SECRET_KEY, NODE_NAME="second", DATABASE_URL=database)
    first.data_dirs.append(other.product.data_dir)
    other.ledger = first.ledger
    return first, other


def attempts(oracle: Oracle) -> set[int]:
    return {job.attempt for job in oracle.record.jobs().values()}


def times_lost(oracle: Oracle) -> int:
    return sum(kind == "lost" for history in oracle.record.histories().values() for kind, _, _ in history)
