"""What the API's description shows. A test holds the requests against the serializer and the answers against the
schema.
"""

from __future__ import annotations

from typing import Any

JOB_ID = "0199c4d2-6c1e-7b52-9a57-3f0d5ad9b0aa"
FILE_ID = "0199c4d3-0a4f-7d21-8a52-6b0b6f6d7c11"
BASE = "https://media.example.org"

REQUEST: dict[str, Any] = {
    "url": "https://videos.example.com/watch/42",
    "quality": "1080p",
    "video_format": "mp4",
    "download_subtitles": True,
    "subtitle_languages": ["en", "de"],
    "retention_hours": 24,
    "tags": ["lectures"],
}
AUDIO_REQUEST: dict[str, Any] = {
    "url": "https://videos.example.com/watch/42",
    "audio_only": True,
    "audio_format": "mp3",
    "audio_quality": "320",
    "path_template": "music/{uploader}/{title}.{ext}",
}
OPTIONS: dict[str, Any] = {
    "quality": "1080p",
    "video_format": "mp4",
    "download_subtitles": True,
    "subtitle_languages": ["en", "de"],
    "timeout_sec": 1800,
    "max_size_bytes": 10737418240,
    "retention_hours": 24.0,
}
QUEUED: dict[str, Any] = {
    "request_id": JOB_ID,
    "status": "queued",
    "stage": None,
    "created_at": "2026-11-24T12:00:00Z",
    "updated_at": "2026-11-24T12:00:00Z",
    "started_at": None,
    "completed_at": None,
    "url": "https://videos.example.com/watch/42",
    "file_url": None,
    "file_path": None,
    "file_size": None,
    "title": None,
    "duration": None,
    "format": None,
    "progress_percent": 0.0,
    "downloaded_bytes": 0,
    "total_bytes": None,
    "speed": None,
    "eta": None,
    "deletion_time": None,
    "logs_url": f"{BASE}/api/v1/download/{JOB_ID}/logs",
    "error": None,
    "error_code": None,
    "retryable": None,
    "remedy": None,
    "attempt": 0,
    "next_attempt_at": None,
    "priority": "normal",
    "batch_id": None,
    "queue_position": 1,
    "client_reference": "",
    "tags": ["lectures"],
    "options": OPTIONS,
    "metadata": None,
    "files": [],
}
PAUSED: dict[str, Any] = QUEUED | {"status": "paused", "queue_position": None}
METADATA: dict[str, Any] = {
    "id": "42",
    "title": "A lecture on queues",
    "description": "Recorded in the great hall.",
    "uploader": "The faculty",
    "uploader_id": "faculty",
    "uploader_url": "https://videos.example.com/@faculty",
    "channel_id": None,
    "channel_url": None,
    "upload_date": "20261001",
    "duration": 3600.0,
    "view_count": 1234,
    "like_count": 56,
    "comment_count": None,
    "tags": ["queues"],
    "categories": ["Education"],
    "thumbnail": "https://videos.example.com/42.jpg",
    "webpage_url": "https://videos.example.com/watch/42",
    "extractor": "generic",
    "width": 1920,
    "height": 1080,
    "fps": 25.0,
    "vcodec": "avc1.640028",
    "acodec": "mp4a.40.2",
    "chapters": None,
    "playlist": None,
    "playlist_index": None,
}
RUNNING: dict[str, Any] = QUEUED | {
    "status": "running",
    "stage": "downloading",
    "started_at": "2026-11-24T12:00:01Z",
    "updated_at": "2026-11-24T12:00:21Z",
    "title": "A lecture on queues",
    "duration": 3600.0,
    "progress_percent": 41.5,
    "downloaded_bytes": 435159040,
    "total_bytes": 1048576000,
    "speed": 20971520.0,
    "eta": 29.3,
    "attempt": 1,
    "queue_position": None,
    "metadata": METADATA,
}
_FILE_URL = f"{BASE}/api/v1/files/{FILE_ID}/A%20lecture%20on%20queues-42.mp4"
COMPLETED: dict[str, Any] = RUNNING | {
    "status": "completed",
    "stage": None,
    "updated_at": "2026-11-24T12:01:02Z",
    "completed_at": "2026-11-24T12:01:02Z",
    "file_url": _FILE_URL,
    "file_path": "videos/A lecture on queues-42.mp4",
    "file_size": 1048576000,
    "format": "1080p",
    "progress_percent": 100.0,
    "downloaded_bytes": 1048576000,
    "speed": None,
    "eta": None,
    "deletion_time": "2026-11-25T12:01:02Z",
    "files": [
        {
            "file_id": FILE_ID,
            "kind": "media",
            "filename": "A lecture on queues-42.mp4",
            "file_url": _FILE_URL,
            "size_bytes": 1048576000,
            "mime_type": "video/mp4",
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "format": "1080p",
            "width": 1920,
            "height": 1080,
            "duration": 3600.0,
            "vcodec": "avc1.640028",
            "acodec": "mp4a.40.2",
            "language": None,
        }
    ],
}
LOGS: dict[str, Any] = {
    "request_id": JOB_ID,
    "logs": [{"timestamp": "2026-11-24T12:00:01.125000Z", "level": "info", "message": "Looking at the page"}],
    "total_count": 1,
}
CANCELLED: dict[str, Any] = {
    "request_id": JOB_ID,
    "status": "cancelled",
    "message": "The job is cancelled. Delete it once more to remove it from the list.",
}
DELETED: dict[str, Any] = {
    "request_id": JOB_ID,
    "status": "deleted",
    "message": "The job and its files are deleted.",
}
EVENT = (
    f'id: 812\ndata: {{"event": "download.completed", "request_id": "{JOB_ID}", "data": {{"status": "completed"}}}}\n\n'
)
HEALTH: dict[str, Any] = {
    "status": "healthy",
    "timestamp": "2026-11-24T12:00:00Z",
    "version": "0.1.0",
    "uptime_seconds": 86400.5,
    "checks": [
        {"name": "database", "status": "ok", "message": "ok", "latency_ms": 0.4},
        {"name": "workers", "status": "ok", "message": "1 alive, 4 downloads at a time", "latency_ms": None},
    ],
}
STATS: dict[str, Any] = {
    "total_jobs": 120,
    "jobs_by_status": {"queued": 1, "running": 2, "paused": 0, "completed": 110, "failed": 5, "cancelled": 2},
    "average_download_time": 21.5,
    "success_rate": 0.9565,
    "storage_used_bytes": 5368709120,
    "storage_available_bytes": 107374182400,
    "active_files": 14,
    "queue_size": 1,
    "active_downloads": 2,
    "uptime_seconds": 86400.5,
    "started_at": "2026-11-23T12:00:00Z",
}
PROBLEM: dict[str, Any] = {
    "type": f"{BASE}/docs/errors#validation_failed",
    "title": "The request is not valid",
    "status": 400,
    "detail": "url: A URL begins with http:// or https://.",
    "code": "validation_failed",
    "request_id": "0199c4d4-11f0-7aa0-b7a3-4f2b8e1c9d10",
    "errors": [{"field": "url", "code": "invalid_scheme", "message": "A URL begins with http:// or https://."}],
    "error": {
        "code": "validation_failed",
        "message": "url: A URL begins with http:// or https://.",
        "request_id": "0199c4d4-11f0-7aa0-b7a3-4f2b8e1c9d10",
    },
}
