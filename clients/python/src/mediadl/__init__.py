"""A client for mediadl: submit, wait, fetch, with every retry safe.

with Client("https://media.example.org", api_key="mdl_…") as client:
path = client.get("https://videos.example.com/watch/42", directory="videos")
"""

from mediadl.client import Client
from mediadl.errors import (
    ApiError,
    ChecksumError,
    ConnectionFailedError,
    DownloadFailedError,
    ForbiddenError,
    GoneError,
    IdempotencyError,
    InvalidRequestError,
    MediadlError,
    NotFoundError,
    RateLimitedError,
    StorageFullError,
    UnauthorizedError,
    UnavailableError,
    WaitTimeoutError,
    WebhookError,
    WrongStateError,
)
from mediadl.types import Batch, BatchJob, Download, File, Link, LogLine
from mediadl.webhooks import Event, verify

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "Batch",
    "BatchJob",
    "ChecksumError",
    "Client",
    "ConnectionFailedError",
    "Download",
    "DownloadFailedError",
    "Event",
    "File",
    "ForbiddenError",
    "GoneError",
    "IdempotencyError",
    "InvalidRequestError",
    "Link",
    "LogLine",
    "MediadlError",
    "NotFoundError",
    "RateLimitedError",
    "StorageFullError",
    "UnauthorizedError",
    "UnavailableError",
    "WaitTimeoutError",
    "WebhookError",
    "WrongStateError",
    "verify",
]
