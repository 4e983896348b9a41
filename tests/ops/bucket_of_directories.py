"""Stands in for versitygw: an S3-compatible store whose buckets are the directories of a place that it can write to.

Runs by itself in a container that has nothing else of this project. What is stored is kept in memory.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", required=True)
    parser.add_argument("backend", choices=["posix"])
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    keys = {
        "aws_access_key_id": os.environ["ROOT_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["ROOT_SECRET_ACCESS_KEY"],
    }
    assert all(keys.values())
    with tempfile.TemporaryFile(dir=arguments.directory) as written:
        written.write(b"It can be written to.")
    host, _, port = arguments.port.rpartition(":")
    server = ThreadedMotoServer(ip_address=host or "0.0.0.0", port=int(port), verbose=False)
    server.start()
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **keys)
    for place in arguments.directory.iterdir():
        client.create_bucket(Bucket=place.name)
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    done.wait()
    server.stop()


if __name__ == "__main__":
    main()
