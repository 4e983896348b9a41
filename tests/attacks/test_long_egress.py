"""S1 as a whole: every spelling by every way in. Only `make attacks` has the time."""

from __future__ import annotations

import pytest

from tests.attacks.addresses import shapes
from tests.attacks.forays import VECTORS, Enclave, Foray

pytestmark = [pytest.mark.promise("S1"), pytest.mark.processes, pytest.mark.timeout(1800)]


@pytest.mark.parametrize("vector", VECTORS)
def test_nothing_internal_is_reached(enclave: Enclave, vector: str) -> None:
    enclave.repels(Foray(vector=vector, address=address) for address in shapes())
