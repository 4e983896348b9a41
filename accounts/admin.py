"""Users and keys for operators. No secret is shown, since none is kept; what is done is in the admin's own log."""

# ruff: noqa: ARG002 - Django's signatures

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from axes.models import AccessAttempt
from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts import admin_closing
from accounts.first_start import sign_in_address
from accounts.models import ApiKey, User
from accounts.models.key import LIMITS, ApiKeyQuerySet
from accounts.models.user import UserQuerySet
from accounts.principal import principal_of
from accounts.quotas import limits_of
from accounts.record import note
from downloads.admin_lists import LargeAdmin, OfOwnerAdmin, SteadyList, among_newest, id_of, list_anchor, tell
from downloads.quotas import with_usage
from downloads.web.tags import size

QUOTA_FIELDS = (
    "max_concurrent_jobs",
    "max_queued_jobs",
    "max_jobs_per_day",
    "max_bytes_per_day",
    "max_stored_bytes",
)
USAGE_FIELDS = ("running", "queued", "jobs_today", "bytes_today", "stored")
# What is stored of many is summed on the page Storage.
LISTED_USAGE = USAGE_FIELDS[:-1]
LISTS = {
    "all_jobs": "downloads_job",
    "all_batches": "downloads_batch",
    "all_cookies": "downloads_cookiejar",
    "all_keys": "accounts_apikey",
    "all_webhooks": "webhooks_endpoint",
    "all_messages": "webhooks_delivery",
}
RIGHTS_FIELDS = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")


class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    class Meta:
        model = User
        fields = ("username", "display_name", "email", *RIGHTS_FIELDS, *QUOTA_FIELDS)


class UserList(SteadyList):
    """What users use is asked of those who are shown."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        shown = with_usage(User.objects.filter(pk__in=[user.pk for user in self.result_list]), with_stored=False)
        known = {user.pk: user for user in shown}
        self.result_list = [known[user.pk] for user in self.result_list if user.pk in known]


@admin.register(User)
class UserAdmin(LargeAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """For superusers alone: whoever may edit users could make themselves one."""

    form = UserForm
    change_form_template = "accounts/admin_user.html"
    ordering = ("-pk",)
    sortable_by = ("username",)
    fieldsets = (
        (None, {"fields": ("username", "display_name", "email", "password_state")}),
        (_("Rights"), {"fields": RIGHTS_FIELDS}),
        (_("Quotas"), {"fields": QUOTA_FIELDS}),
        (_("Used now, and since 00:00 UTC"), {"fields": USAGE_FIELDS}),
        (_("Dates"), {"fields": ("last_login", "date_joined", "closed_at")}),
        (_("Elsewhere"), {"fields": tuple(LISTS)}),
    )
    readonly_fields = ("password_state", "last_login", "date_joined", "closed_at", *USAGE_FIELDS, *LISTS)
    list_display = ("username", "display_name", "email", "is_staff", "is_active", "last_login", *LISTED_USAGE)
    list_filter = ("is_staff", "is_superuser", "is_active")
    search_fields = ("username", "display_name", "email")
    search_help_text = among_newest(
        _("A whole id or user's name; or, among the newest {newest}, part of a name or of an e-mail address.")
    )
    actions = ("make_sign_in_links", "close_accounts")

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        if found := id_of(term):
            return rows.filter(pk=found)
        same = rows.filter(username=term)
        return same if same.exists() else None

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        user = super().get_object(request, object_id, from_field)
        return None if user is None else with_usage(User.objects.filter(pk=user.pk)).get()

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:
        return UserList

    @admin.display(description=_("running"))
    def running(self, user: User) -> str:
        return of_a_limit(user.running_jobs, limits_of(user).concurrent_jobs)  # type: ignore[attr-defined]  # annotated

    @admin.display(description=_("waiting"))
    def queued(self, user: User) -> str:
        return of_a_limit(user.queued_jobs, limits_of(user).queued_jobs)  # type: ignore[attr-defined]  # annotated

    @admin.display(description=_("jobs today"))
    def jobs_today(self, user: User) -> str:
        return of_a_limit(user.jobs_today, limits_of(user).jobs_per_day)  # type: ignore[attr-defined]  # annotated

    @admin.display(description=_("bytes today"))
    def bytes_today(self, user: User) -> str:
        return of_a_limit(user.bytes_today, limits_of(user).bytes_per_day, size)  # type: ignore[attr-defined]  # annotated

    @admin.display(description=_("stored"))
    def stored(self, user: User) -> str:
        return of_a_limit(user.stored_bytes, limits_of(user).stored_bytes, size)  # type: ignore[attr-defined]  # annotated

    @admin.display(description=_("password"))
    def password_state(self, user: User) -> str:
        if user.is_anonymous_principal:
            return gettext("This user cannot sign in.")
        state = gettext("Set.") if user.has_usable_password() else gettext("None yet.")
        address = reverse("admin:auth_user_password_change", args=[user.pk])
        return format_html('{} <a href="{}">{}</a>', state, address, gettext("Set another"))

    @admin.display(description=_("jobs"))
    def all_jobs(self, user: User) -> str:
        return _list_of(user, "all_jobs", gettext("All jobs of {user}"))

    @admin.display(description=_("batches"))
    def all_batches(self, user: User) -> str:
        return _list_of(user, "all_batches", gettext("All batches of {user}"))

    @admin.display(description=_("cookies"))
    def all_cookies(self, user: User) -> str:
        return _list_of(user, "all_cookies", gettext("All cookies of {user}"))

    @admin.display(description=_("API keys"))
    def all_keys(self, user: User) -> str:
        return _list_of(user, "all_keys", gettext("All keys of {user}"))

    @admin.display(description=_("webhooks"))
    def all_webhooks(self, user: User) -> str:
        return _list_of(user, "all_webhooks", gettext("All webhooks of {user}"))

    @admin.display(description=_("deliveries"))
    def all_messages(self, user: User) -> str:
        return _list_of(user, "all_messages", gettext("All messages to {user}"))

    @admin.action(description=_("Make one-time links to sign in"))
    def make_sign_in_links(self, request: HttpRequest, users: UserQuerySet) -> HttpResponse:
        chosen = users.able_to_sign_in().order_by("username")
        links = [(user, sign_in_address(user)) for user in chosen]
        note(principal_of(request).user, chosen, "Made a one-time link to sign in.")
        context = admin.site.each_context(request) | {"title": gettext("Links to sign in"), "links": links}
        return TemplateResponse(request, "accounts/admin_links.html", context)

    @admin.action(description=_("Close the accounts"))
    def close_accounts(self, request: HttpRequest, users: UserQuerySet) -> HttpResponse | None:
        return admin_closing.close_accounts(self, request, users)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        if obj is not None and obj.is_anonymous_principal:
            return (*self.readonly_fields, "username", "display_name", "email", *RIGHTS_FIELDS)
        return self.readonly_fields

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002  # the name of the URL's parameter
        user = self.get_object(request, id)
        if user is not None and user.is_anonymous_principal:
            raise PermissionDenied("The anonymous user cannot sign in.")
        return super().user_change_password(request, id, form_url)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Django's own deletion takes rows past their verbs; accounts are closed."""
        return False


@admin.register(ApiKey)
class ApiKeyAdmin(OfOwnerAdmin):
    """To look and to revoke: keys are made by their owners, who alone are shown them."""

    fields = (
        "owner",
        "name",
        "shown_as",
        "scopes",
        "state",
        "is_from_environment",
        "created_at",
        "expires_at",
        "rotated_at",
        "revoked_at",
        "last_used_at",
        *LIMITS,
        "its_jobs",
    )
    list_display = ("name", "owner", "shown_as", "scopes", "state", "last_used_at", "expires_at")
    list_filter = ("scopes", "is_from_environment", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "prefix")
    search_help_text = among_newest(
        _("A whole id or user's name; or, among the newest {newest}, part of a name or of what a key begins with.")
    )
    actions = ("revoke",)

    @admin.display(description=_("begins with"))
    def shown_as(self, key: ApiKey) -> str:
        return key.shown_as

    @admin.display(description=_("state"))
    def state(self, key: ApiKey) -> str:
        return key.state(timezone.now())

    @admin.display(description=_("jobs"))
    def its_jobs(self, key: ApiKey) -> str:
        return list_anchor("downloads_job", f"api_key__id__exact={key.pk}", gettext("All jobs that it submitted"))

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: ApiKeyQuerySet) -> None:
        chosen = list(keys)
        revoked = [key for key in chosen if key.revoke()]
        done = gettext_noop("Revoked")
        note(principal_of(request).user, revoked, f"{done}.")
        tell(self, request, done, len(revoked), len(chosen) - len(revoked))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")


@admin.register(AccessAttempt)
class AccessAttemptAdmin(LargeAdmin):
    """Failed sign-ins of the last minutes; deleting one lets that name in again from that address."""

    fields = ("username", "ip_address", "user_agent", "path_info", "attempt_time", "failures_since_start")
    list_display = ("username", "ip_address", "attempt_time", "failures_since_start")
    search_fields = ("username", "ip_address")
    search_help_text = among_newest(
        _("A whole user's name or IP address; or, among the newest {newest}, part of either.")
    )

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        same = rows.filter(ip_address=term) if is_ip_address(term) else rows.filter(username=term)
        return same if same.exists() else None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def sign_in(request: HttpRequest) -> HttpResponse:
    """Our own page in place of the admin site's, which has neither our limits nor our look."""
    if request.user.is_authenticated:
        raise PermissionDenied("The admin site is for operators.")
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"))


admin.site.login = sign_in  # type: ignore[assignment]  # sooner than its URLs are made


def _list_of(user: User, field: str, text: str) -> str:
    return list_anchor(LISTS[field], f"owner__id__exact={user.pk}", text.format(user=user))


def of_a_limit(used: int, limit: int | None, shown: Callable[[int], str] = str) -> str:
    if limit is None:
        return shown(used)
    return gettext("{part} of {whole}").format(part=shown(used), whole=shown(limit))


def is_ip_address(term: str) -> bool:
    try:
        ipaddress.ip_address(term)
    except ValueError:
        return False
    return True


def is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and getattr(request.user, "is_superuser", False))
