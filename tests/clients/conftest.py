from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.product import Product


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One for all clients."""
    with Product(tmp_path_factory.mktemp("clients")) as running:
        yield running
