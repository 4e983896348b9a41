"""The web server: uvicorn on a socket that the supervisor holds open across restarts."""

from __future__ import annotations

import argparse
import os
import socket

import uvicorn
from uvicorn.supervisors import Multiprocess

# Without it an open stream would keep SIGTERM waiting for ever.
GRACEFUL_SECONDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m mediadl.serve")
    parser.add_argument("--fd", type=int, required=True, help="a listening socket, inherited")
    listener = socket.socket(fileno=parser.parse_args().fd)
    config = uvicorn.Config(
        "mediadl.asgi:application",
        workers=int(os.environ.get("WEB_WORKERS") or 1),
        access_log=False,
        server_header=False,
        date_header=True,
        log_config=None,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    if config.workers == 1:
        uvicorn.Server(config).run(sockets=[listener])
    else:
        Multiprocess(config, target=uvicorn.Server(config).run, sockets=[listener]).run()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediadl.settings")
    main()
