from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts.sessions import remember_browser  # noqa: PLC0415 - needs the apps

        user_logged_in.connect(remember_browser, dispatch_uid="accounts.sessions")
