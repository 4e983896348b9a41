"""Encrypts what is kept for a user and never shown again, by keys that are used for nothing else."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class UndecryptableError(Exception):
    """None of the keys fits: it was lost, or never was on this machine."""


def encrypt(text: str) -> str:
    return _keys().encrypt(text.encode()).decode()


def decrypt(ciphertext: str) -> str:
    try:
        return _keys().decrypt(ciphertext.encode()).decode()
    except InvalidToken:
        raise UndecryptableError from None


def rotate(ciphertext: str) -> str:
    """The same by the first key. Raises UndecryptableError."""
    try:
        return _keys().rotate(ciphertext.encode()).decode()
    except InvalidToken:
        raise UndecryptableError from None


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.COOKIE_KEYS])
