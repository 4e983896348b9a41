from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from accounts.sessions import remember_browser  # noqa: PLC0415 - needs the apps

        user_logged_in.connect(remember_browser, dispatch_uid="accounts.sessions")
