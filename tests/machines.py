"""Several machines of one deployment, as process trees with a DATA_DIR each: they share servers, and no file."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.product import Product

# What machines of one deployment must agree on.
KEYS = {
    "SECRET_KEY": "shared-by-all-machines-of-these-tests-0123456789abcdefgh",
    "LINK_KEYS": "links-of-all-machines-of-these-tests-0123456789abcdefgh",
    "WEBHOOK_KEYS": "webhooks-of-all-machines-of-these-tests-0123456789abcd",
    "COOKIE_KEYS": base64.urlsafe_b64encode(b"cookies-of-all-machines-of-tests").decode(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    webs: list[Product] = field(default_factory=list)
    workers: list[Product] = field(default_factory=list)

    @property
    def all(self) -> list[Product]:
        return [*self.webs, *self.workers]

    def start(self) -> None:
        """All at the same moment."""
        with ThreadPoolExecutor(len(self.all)) as threads:
            webs = [threads.submit(web.start, "--only", "web") for web in self.webs]
            workers = [threads.submit(worker.start, "--only", "worker") for worker in self.workers]
            for started in [*webs, *workers]:
                started.result()
        for worker in self.workers:
            worker.wait_for_engine()


@contextmanager
def machines(directory: Path, shared: Mapping[str, str], *, webs: int, workers: int) -> Iterator[Machines]:
    """Made and not started. `shared` names the servers: DATABASE_URL, and what else they have in common."""
    with ExitStack() as stack:

        def make(name: str) -> Product:
            own = directory / name
            own.mkdir(parents=True)
            product = Product(own, **KEYS, **shared, NODE_NAME=name)
            stack.push(product.__exit__)
            return product

        yield Machines(
            webs=[make(f"web-{number}") for number in range(webs)],
            workers=[make(f"worker-{number}") for number in range(workers)],
        )
