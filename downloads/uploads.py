"""Uploaded files stay in memory: Django's own handler would put a large one on the disk, for all to find."""

from __future__ import annotations

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import MemoryFileUploadHandler

MAX_BYTES = 512 * 1024


class MemoryUploadHandler(MemoryFileUploadHandler):
    """Raises RequestDataTooBig at once, which is answered with 413."""

    def handle_raw_input(self, *_: object, **__: object) -> None:
        self.activated = True
        self._received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        self._received += len(raw_data)
        if self._received > MAX_BYTES:
            raise RequestDataTooBig
        return super().receive_data_chunk(raw_data, start)
