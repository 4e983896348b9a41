"""The domain app, and what it asks of django-q2's workers."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DownloadsConfig(AppConfig):
    name = "downloads"
    verbose_name = _("Downloads")

    def ready(self) -> None:
        from django_q.signals import post_spawn, pre_execute  # noqa: PLC0415 - models must be loaded first

        from downloads import admin_words, checks  # noqa: F401, PLC0415 - registers the checks

        admin_words.translate_names()
        pre_execute.connect(acknowledge_before_running, dispatch_uid="acknowledge_before_running")
        post_spawn.connect(recover_jobs_of_dead_workers, dispatch_uid="recover_jobs_of_dead_workers")


def acknowledge_before_running(*, task: dict[str, Any], **_: Any) -> None:
    """A wake-up is spent once a worker has it: django-q2 would run a long one again after `retry` seconds."""
    from django_q.brokers import get_broker  # noqa: PLC0415 - reads settings

    if ack_id := task.pop("ack_id", None):
        get_broker().acknowledge(ack_id)


def recover_jobs_of_dead_workers(**_: Any) -> None:
    from downloads import cookies, probing, recovery  # noqa: PLC0415 - models must be loaded first

    recovery.recover_node()
    probing.recover()
    cookies.remove_strays()
