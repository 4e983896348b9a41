"""Products of the attacks' own: two that shared a database would take each other's jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.postgres import throwaway_postgres
from tests.product import Product


@contextmanager
def own_product(directory: Path, **environment: str) -> Iterator[Product]:
    """On PostgreSQL where the suite runs on it."""
    with ExitStack() as stack:
        if "DATABASE_URL" in os.environ and "DATABASE_URL" not in environment:
            environment["DATABASE_URL"] = stack.enter_context(throwaway_postgres())
        yield stack.enter_context(Product(directory, **environment))
