from __future__ import annotations

from django.urls import path

from downloads.console import queue, storage, system

urlpatterns = [
    path("queue/", queue.queue, name="console_queue"),
    path("queue/pause/", queue.pause, name="console_pause"),
    path("queue/resume/", queue.resume, name="console_resume"),
    path("storage/", storage.storage, name="console_storage"),
    path("storage/evict/", storage.evict, name="console_evict"),
    path("system/", system.system, name="console_system"),
    path("system/update/", system.update_ytdlp, name="console_update"),
]
