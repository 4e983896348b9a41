# ruff: noqa: ARG002 - Django's signatures

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.first_start import first_operator, sign_in_address
from accounts.models import User


class Command(BaseCommand):
    help = "Prints a one-time link that signs in without a password: the way back for who has lost theirs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", metavar="NAME", help="whom it signs in; without it the first operator")

    def handle(self, *args: Any, user: str | None, **options: Any) -> str:
        return sign_in_address(first_operator() if user is None else named_user(user))


def named_user(username: str) -> User:
    try:
        return User.objects.able_to_sign_in().get(username=username)
    except User.DoesNotExist:
        raise CommandError(f"No active user has the name {username}.") from None
