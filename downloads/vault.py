"""Encrypts what is kept for a user and never shown again, by keys that are used for nothing else.

`keys` are Fernet's: the first encrypts, all of them decrypt.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class UndecryptableError(Exception):
    """None of the keys fits: it was lost, or never was on this machine."""


def encrypt(text: str, keys: Iterable[str | bytes]) -> str:
    return _keyring(keys).encrypt(text.encode()).decode()


def decrypt(ciphertext: str, keys: Iterable[str | bytes]) -> str:
    try:
        return _keyring(keys).decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise UndecryptableError from None


def rotate(ciphertext: str, keys: Iterable[str | bytes]) -> str:
    """The same by the first key. Raises UndecryptableError."""
    try:
        return _keyring(keys).rotate(ciphertext.encode()).decode()
    except InvalidToken:
        raise UndecryptableError from None


def _keyring(keys: Iterable[str | bytes]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
