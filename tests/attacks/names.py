"""A name server of the enclave's own: fixed answers, aliases, mixed ones, and names that change their mind."""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections import Counter

from tests.attacks.addresses import ALIASES, NAMES, PREFIXED, PRIVATE, PUBLIC

_A, _CNAME, _AAAA = 1, 5, 28
_NO_SUCH_NAME = 3


def serve(host: str) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((host, 53))
    threading.Thread(target=_serve, args=(listener, Counter()), daemon=True).start()


def _serve(listener: socket.socket, asked: Counter[str]) -> None:
    while True:
        question, peer = listener.recvfrom(2048)
        listener.sendto(answer(question, asked), peer)


def answer(question: bytes, asked: Counter[str]) -> bytes:
    name, end = _name(question)
    (kind,) = struct.unpack_from(">H", question, end)
    found = _addresses(name, kind, asked)
    records = b"".join(_record(kind, ipaddress.ip_address(address).packed) for address in found or ())
    count = len(found or ())
    if alias := ALIASES.get(name):
        records = (
            b"\xc0\x0c"
            + struct.pack(">HHIH", _CNAME, 1, 0, len(_wire(alias)))
            + _wire(alias)
            + b"".join(
                _wire(alias) + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed
                for packed in (ipaddress.ip_address(address).packed for address in found or ())
            )
        )
        count += 1
    code = _NO_SUCH_NAME if found is None else 0
    head = question[:2] + struct.pack(">HHHHH", 0x8580 | code, 1, count, 0, 0)
    return head + question[12 : end + 4] + records


def _addresses(name: str, kind: int, asked: Counter[str]) -> list[str] | None:
    if name.endswith(PREFIXED):
        return [_changing(name, asked)] if kind == _A else []
    known = NAMES.get(ALIASES.get(name, name))
    if known is None:
        return None
    return [address for address in known if (":" in address) == (kind == _AAAA)] if kind in {_A, _AAAA} else []


def _changing(name: str, asked: Counter[str]) -> str:
    asked[name] += 1
    return PUBLIC if asked[name] == 1 else PRIVATE


def _record(kind: int, packed: bytes) -> bytes:
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(packed)) + packed


def _name(question: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("ascii", "replace").lower())
        at += length + 1
    return ".".join(labels), at + 1


def _wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
