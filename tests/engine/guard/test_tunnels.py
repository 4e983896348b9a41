"""What the guard carries between two peers who speak in a tunnel of their own."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.engine.guard.peers import (
    LOCAL,
    Client,
    GuardProcess,
    Peer,
    Site,
    framed,
    guard_process,
    says,
)

pytestmark = pytest.mark.promise("S1")

MEGABYTE = 1024**2


class TestTunnels:
    def test_carry_bytes_both_ways(self, client: Client, site: Site) -> None:
        def echo(peer: Peer, _head: bytes) -> bool:
            peer.send(b"ready")
            peer.send(peer.read(MEGABYTE)[::-1])
            return True

        site.handlers["/talk"] = echo
        reply = client.connect(b"127.0.0.1:%d" % site.port)
        data = os.urandom(MEGABYTE)
        client.send(b"GET /talk HTTP/1.1\r\n\r\n")
        sender = threading.Thread(target=client.send, args=(data,))
        sender.start()

        assert reply.status == 200
        assert client.read(5) == b"ready"
        assert client.read(MEGABYTE) == data[::-1]
        sender.join()

    def test_carry_what_was_sent_before_they_stood(self, client: Client, site: Site) -> None:
        site.handlers["/early"] = says(b"early")
        client.send(b"CONNECT 127.0.0.1:%d HTTP/1.0\r\n\r\nGET /early HTTP/1.1\r\n\r\n" % site.port)

        assert client.reply(is_tunnel=True).status == 200
        assert client.read(5) == b"early"

    def test_carry_the_end_of_one_side_alone(self, client: Client, site: Site) -> None:
        def answer_after_the_end(peer: Peer, _head: bytes) -> bool:
            peer.send(b"got " + peer.read_to_end())
            return False

        site.handlers["/half"] = answer_after_the_end
        client.connect(b"127.0.0.1:%d" % site.port)
        client.send(b"GET /half HTTP/1.1\r\n\r\nrequest")
        client.finish()

        assert client.read_to_end() == b"got request"

    def test_carry_tls(self, guard: GuardProcess, tmp_path: Path) -> None:
        certificate = self_signed(tmp_path)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        with socket.create_server((LOCAL, 0)) as listener:
            port = listener.getsockname()[1]
            thread = threading.Thread(target=serve_tls_once, args=(listener, server))
            thread.start()
            with guard_process(EGRESS_ALLOW=f"{LOCAL}:{port}") as own:
                trust = ssl.create_default_context(cafile=certificate)
                connection = http.client.HTTPSConnection(LOCAL, own.port, timeout=10, context=trust)
                connection.set_tunnel(LOCAL, port)
                connection.request("GET", "/secret")
                assert connection.getresponse().read() == b"over TLS"
                connection.close()
                assert "secret" not in (own.directory / "log").read_text()
            thread.join()

    def test_tell_the_standard_library_why_they_are_refused(self, guard: GuardProcess, canary: Site) -> None:
        connection = http.client.HTTPSConnection(LOCAL, guard.port, timeout=10)
        connection.set_tunnel(LOCAL, canary.port)

        with pytest.raises(OSError, match="403 url_blocked loopback"):
            connection.request("GET", "/")

    def test_have_no_body(self, client: Client, site: Site) -> None:
        client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" % site.port)

        assert client.reply().status == 400


def self_signed(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "origin")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOCAL))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "origin.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def serve_tls_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    connected, _ = listener.accept()
    with context.wrap_socket(connected, server_side=True) as secure:
        secure.recv(65536)
        secure.sendall(framed(b"over TLS"))
        secure.recv(1)
