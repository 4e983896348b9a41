"""The origin as a process: prints its address as the first line and serves until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import threading

from tests.origin import Origin


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.origin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    with Origin(host=arguments.host, port=arguments.port) as origin:
        print(origin.url("/"), flush=True)
        done.wait()


if __name__ == "__main__":
    main()
