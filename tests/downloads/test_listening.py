"""Where `manage.py up` listens: the socket that all web processes accept on."""

from __future__ import annotations

import socket

import pytest

from downloads.management.commands.up import bind


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


on_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on its loopback interface")


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


@on_ipv6
@pytest.mark.parametrize("host", ["::", "[::]"])
def test_every_address_is_reached_over_both_protocols(host: str) -> None:
    with bind(host, 0) as listener:
        port = listener.getsockname()[1]
        assert (answers("127.0.0.1", port), answers("::1", port)) == (True, True)


@on_ipv6
@pytest.mark.parametrize(
    ("host", "reached"),
    [("127.0.0.1", (True, False)), ("0.0.0.0", (True, False)), ("::1", (False, True)), ("[::1]", (False, True))],
)
def test_one_address_is_reached_over_its_own_protocol_alone(host: str, reached: tuple[bool, bool]) -> None:
    with bind(host, 0) as listener:
        port = listener.getsockname()[1]
        assert (answers("127.0.0.1", port), answers("::1", port)) == reached


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname(), timeout=5):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
