"""The ASGI application: event streams, file bytes and a thread bridge over Django's WSGI application.

`mediadl.asgi:application` is made when it is first asked for, so that the layers can be used without Django.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "application":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mediadl.asgi import wiring  # noqa: PLC0415  # the only import that needs Django's settings

    return wiring.application
