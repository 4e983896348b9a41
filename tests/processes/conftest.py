from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.product import Product


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One for the tests that leave it running."""
    with Product(tmp_path_factory.mktemp("product")) as running:
        yield running.wait_for_engine()


@pytest.fixture
def fresh_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Product]]:
    """Makes products of the test's own: `fresh_product(**environment)`, started or not."""
    directory = tmp_path_factory.mktemp("product")
    with ExitStack() as stack:

        def make(*, is_started: bool = True, **environment: str) -> Product:
            product = Product(directory, **environment)
            stack.push(product.__exit__)
            return product.start().wait_for_engine() if is_started else product

        yield make
