"""The web server: uvicorn on a socket that the supervisor holds open across restarts."""

from __future__ import annotations

import socket

from setproctitle import setproctitle

# Without it an open stream would keep SIGTERM waiting for ever.
GRACEFUL_SECONDS = 5


def run(listener: socket.socket) -> None:
    """Serves until SIGTERM; called in a process of its own."""
    import uvicorn  # noqa: PLC0415 - only the web process needs it
    from django.conf import settings  # noqa: PLC0415
    from uvicorn.supervisors import Multiprocess  # noqa: PLC0415

    setproctitle("mediadl: web")
    config = uvicorn.Config(
        "mediadl.asgi:application",
        workers=settings.WEB_WORKERS,
        access_log=False,
        server_header=False,
        log_config=None,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    server = uvicorn.Server(config)
    if config.workers == 1:
        server.run(sockets=[listener])
    else:
        Multiprocess(config, target=server.run, sockets=[listener]).run()
