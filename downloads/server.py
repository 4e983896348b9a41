"""The web server: uvicorn on a socket that the supervisor holds open across restarts."""

from __future__ import annotations

import socket

from django.conf import settings
from setproctitle import setproctitle

# Without it an open stream would keep SIGTERM waiting for ever.
GRACEFUL_SECONDS = 5
# Longer than proxies and clients keep a connection to use it again (nginx: 60 s): whoever closes it first loses what
# the other is just sending.
KEEP_ALIVE_SECONDS = 75
# While somebody else holds SQLite's lock, clients are told so instead of being left to wait; workers have the time.
SQLITE_PATIENCE_SECONDS = 4.0


def run(listener: socket.socket) -> None:
    """Serves until SIGTERM; called in a process of its own. Several may share `listener`."""
    import uvicorn  # noqa: PLC0415 - only the web process needs it

    from downloads import bell  # noqa: PLC0415 - needs the applications to be loaded

    setproctitle("mediadl: web")
    bell.keep()
    if settings.IS_SQLITE:
        settings.DATABASES["default"]["OPTIONS"]["timeout"] = SQLITE_PATIENCE_SECONDS
    config = uvicorn.Config(
        "mediadl.asgi:application",
        access_log=False,
        server_header=False,
        log_config=None,
        proxy_headers=False,
        lifespan="on",
        http="httptools",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])
