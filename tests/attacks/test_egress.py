"""S1: whatever a URL looks like and by whatever way it comes, nothing internal hears of it."""

from __future__ import annotations

import itertools

import pytest

from tests.attacks.addresses import HOSTS, INTERNAL, PREFIXED, PRIVATE, PUBLIC, PUBLIC_6, URLS, shapes
from tests.attacks.enclave import LAX
from tests.attacks.forays import VECTORS, Enclave, Foray, told

pytestmark = [pytest.mark.promise("S1"), pytest.mark.processes]

TYPICAL = (f"http://{PRIVATE}/x.mp4", "http://mixed.test/x.mp4", "http://[::ffff:10.0.0.5]/x.mp4")


def test_the_table_is_long_enough() -> None:
    assert len(set(shapes())) == len(HOSTS) + len(URLS) >= 60


def test_every_canary_can_be_reached_without_the_guard(enclave: Enclave) -> None:
    reached = set(enclave.reached_without_guard())
    assert set(INTERNAL) | {"127.0.0.1", "::1", "0.0.0.0", PUBLIC, PUBLIC_6} <= reached
    assert set(INTERNAL) <= {hit["address"] for hit in enclave.hits()}


def test_every_attack_would_succeed_if_the_guard_let_it(enclave: Enclave) -> None:
    """So that a vector which leads nowhere proves nothing."""
    for name, vector in VECTORS.items():
        before = len(enclave.hits())
        enclave.run([Foray(vector=name, address=f"http://{PRIVATE}{vector.file}")], guard=LAX)
        assert {hit["address"] for hit in enclave.hits()[before:]} == {PRIVATE}, name


def test_what_is_public_is_fetched_by_every_way(enclave: Enclave) -> None:
    hosts = itertools.cycle(("public.test", PUBLIC, "public6.test", f"[{PUBLIC_6}]", "public-alias.test"))
    forays = [Foray(vector=name, address=f"http://{next(hosts)}{VECTORS[name].file}") for name in VECTORS]
    before = len(enclave.hits())
    results = enclave.run(forays)
    assert told([result for result in results if not result.is_done]) == {}
    sidecars = {
        (result.foray.vector, *result.kinds[1:]) for result in results if VECTORS[result.foray.vector].is_sidecar
    }
    assert sidecars == {("thumbnail", "thumbnail"), ("subtitle", "subtitle")}
    assert {result.sandbox for result in results} == {"full"}
    assert enclave.hits()[before:] == []


def test_nothing_internal_is_reached_however_it_is_spelled(enclave: Enclave) -> None:
    """Every spelling by one way, the ways in turn; `make attacks` tries each by each."""
    forays = [Foray(vector=name, address=address) for name, address in zip(itertools.cycle(VECTORS), shapes())]
    results = enclave.repels(forays)
    assert told([result for result in results if result.code == "internal_error"]) == {}


def test_nothing_internal_is_reached_by_any_way(enclave: Enclave) -> None:
    refused = enclave.repels(
        Foray(vector=name, address=f"{scheme}://{PRIVATE}{vector.file}")
        for name, vector in VECTORS.items()
        for scheme in ("http", "https")
    )
    assert told([result for result in refused if result.code != "url_blocked" and not result.is_done]) == {}
    enclave.repels(Foray(vector=name, address=address) for name in VECTORS for address in TYPICAL)


def test_a_name_that_changes_its_mind_gains_nothing(enclave: Enclave) -> None:
    """Public when it is looked up first, internal from then on: what was judged is what is connected."""
    before = len(enclave.hits())
    names = [f"http://{name}{PREFIXED}{vector.file}" for name, vector in VECTORS.items()]
    results = enclave.run(Foray(vector=name, address=address) for name, address in zip(VECTORS, names, strict=True))
    assert enclave.hits()[before:] == []
    assert any(result.is_done for result in results)
    assert {result.code for result in results} <= {"", "url_blocked", "postprocessing_failed"}


def test_a_guard_that_is_gone_is_not_gone_around(enclave: Enclave) -> None:
    before = len(enclave.hits())
    forays = [Foray(vector="submitted", address=f"http://{host}/x.mp4") for host in (PUBLIC, PRIVATE, "127.0.0.1")]
    results = enclave.run(forays, guard=None)
    assert not any(result.is_done for result in results)
    assert enclave.hits()[before:] == []


def test_no_webhook_reaches_what_is_internal_however_it_is_spelled(enclave: Enclave) -> None:
    """Each spelling in the sender's own hands, also those that no webhook can be made of."""
    before = len(enclave.hits())
    replies = enclave.post(shapes())
    assert enclave.hits()[before:] == []
    assert {url: reply for url, reply in replies.items() if reply["failure"] is None} == {}
    rebound = enclave.post([f"http://hook{PREFIXED}/hook"] * 3)
    assert enclave.hits()[before:] == [], rebound


def test_a_webhook_reaches_what_is_public_and_would_reach_the_rest_without_the_guard(enclave: Enclave) -> None:
    public = enclave.post([f"http://{PUBLIC}/hook", "http://public6.test/hook"])
    assert {reply["status"] for reply in public.values()} == {200}
    before = len(enclave.hits())
    enclave.post([f"http://{PRIVATE}/hook"], guard=LAX)
    assert {hit["address"] for hit in enclave.hits()[before:]} == {PRIVATE}
