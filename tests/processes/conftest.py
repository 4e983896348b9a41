from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.product import Product


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One for the tests that leave it running."""
    with Product(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture
def fresh_product(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Makes products of the test's own: `fresh_product(**environment)`, started or not."""
    with ExitStack() as stack:

        def make(*, is_started: bool = True, **environment: str) -> Product:
            product = Product(tmp_path, **environment)
            stack.push(product.__exit__)
            return product.start() if is_started else product

        yield make
