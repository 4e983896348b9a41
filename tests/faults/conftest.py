"""Products to break: each with a directory and a database of its own, on the kind of database that the run is for."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from downloads.processes import MAX_QUICK_CRASHES
from tests.faults import report
from tests.faults.oracles import Oracle
from tests.origin import Origin
from tests.postgres import ThrowawayPostgres, throwaway_postgres
from tests.product import Product

IS_POSTGRES = os.environ.get("DATABASE_URL", "").startswith("postgres")
# What one kind of database can suffer, the other cannot.
OF_POSTGRES = [
    *("test_postgres.py", "test_starts.py"),
    *("full_machines.py", "full_nodes.py", "full_postgres.py", "full_upgrade.py"),
]
collect_ignore = ["full_sqlite.py"] if IS_POSTGRES else OF_POSTGRES


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    found = yield
    report.note(item, found)
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if said := report.lines():
        terminalreporter.section(f"promises on {'PostgreSQL' if IS_POSTGRES else 'SQLite'}")
        terminalreporter.write_line("\n".join(said))


MakeOracle = Callable[..., Oracle]


@pytest.fixture(scope="package")
def server() -> Iterator[ThrowawayPostgres | None]:
    """A PostgreSQL that a test may stop, apart from the one of the run. None on SQLite."""
    if not IS_POSTGRES:
        yield None
        return
    running = throwaway_postgres()
    with running:
        yield running


class Bench:
    """Makes products, and takes them down again."""

    def __init__(self, stack: ExitStack, directory: Path, server: ThrowawayPostgres | None, origin: Origin) -> None:
        self._stack = stack
        self._directory = directory
        self._server = server
        self._origin = origin
        self._made = 0

    def __call__(
        self,
        shared: Mapping[str, str] | None = None,
        /,
        *,
        data_dir: Path | None = None,
        is_started: bool = True,
        **environment: str,
    ) -> Oracle:
        """`shared` is environment, too."""
        self._made += 1
        directory = data_dir or self._directory / str(self._made)
        crash_points = self._directory / f"crash-points-{self._made}"
        for needed in (directory, crash_points):
            needed.mkdir(parents=True, exist_ok=True)
        chosen = self._database() | {"MEDIADL_CRASH_AT": str(crash_points)} | dict(shared or {}) | environment
        product = Product(directory, **chosen)
        self._stack.push(product.__exit__)
        if is_started:
            product.start().wait_for_engine()
        return Oracle(product, self._origin)

    def _database(self) -> dict[str, str]:
        if self._server is None:
            return {}
        name = f"faults_{os.urandom(6).hex()}"
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return {"DATABASE_URL": self._server.url.removesuffix("/mediadl") + f"/{name}"}


@pytest.fixture(scope="module")
def _shared(
    tmp_path_factory: pytest.TempPathFactory, server: ThrowawayPostgres | None, origin: Origin
) -> Iterator[Oracle]:
    with ExitStack() as stack:
        oracle = Bench(stack, tmp_path_factory.mktemp("faults"), server, origin)()
        yield oracle
        assert oracle.final_verdict() == []


@pytest.fixture
def shared_oracle(_shared: Oracle) -> Oracle:
    """One product for the tests of a module that leave it running; nothing may be left behind when they have ended.

    It is started anew before so many tests in a row have killed a service that its supervisor would give up.
    """
    product = _shared.product
    if product.deaths > MAX_QUICK_CRASHES - 3:
        product.kill_tree()
        product.start().wait_for_engine()
    return _shared


@pytest.fixture
def make_oracle(
    tmp_path_factory: pytest.TempPathFactory, server: ThrowawayPostgres | None, origin: Origin
) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack, tmp_path_factory.mktemp("faults"), server, origin)
