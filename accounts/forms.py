"""What the pages ask for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, UsernameField
from django.utils.translation import gettext_lazy as _

from accounts.models import Scope, User
from accounts.models.key import LIMITS
from accounts.permissions import covers

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MAX_LIMIT_VALUE = 1_000_000_000
SCOPE_LABELS = {
    Scope.SUBMIT: _("Submit: new downloads, and nothing else"),
    Scope.READ: _("Read: see jobs and fetch files"),
    Scope.WRITE: _("Write: submit, cancel and delete"),
    Scope.ADMIN: _("Admin: the whole server's figures, and keys"),
}


class SignInForm(AuthenticationForm):
    username = UsernameField(label=_("User name"), widget=forms.TextInput(attrs={"autofocus": True}))
    error_messages = {
        "invalid_login": _("The user name and the password do not match."),
        "inactive": _("The user name and the password do not match."),
    }

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        if user.is_anonymous_principal:
            raise self.get_invalid_login_error()


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    class Meta:
        model = User
        fields = ("display_name", "email")
        labels = {"display_name": _("Name"), "email": _("E-mail address")}
        help_texts = {
            "display_name": _("Shown in place of your user name."),
            "email": _("For whoever runs this server; mediadl sends no mail."),
        }


class ClosingForm(forms.Form):
    """What nobody types by mistake, and no stranger at an open browser knows."""

    username = forms.CharField(label=_("Your user name"), max_length=150, help_text=_("As it is written above."))
    password = forms.CharField(label=_("Password"), max_length=4096, strip=False, widget=forms.PasswordInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if not user.has_usable_password():
            del self.fields["password"]

    def clean_username(self) -> str:
        given: str = self.cleaned_data["username"]
        if given != self.user.username:
            raise forms.ValidationError(_("This is not your user name."))
        return given

    def clean_password(self) -> str:
        given: str = self.cleaned_data["password"]
        if not self.user.check_password(given):
            raise forms.ValidationError(_("This is not your password."))
        return given


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # no subscript at run time
    class Meta:
        model = User
        fields = ("username", "display_name")
        labels = {"username": _("User name"), "display_name": _("Name")}
        help_texts = {
            "username": _("What they sign in with."),
            "display_name": _("Shown in its place, if there is one."),
        }

    is_operator = forms.BooleanField(
        label=_("Operator"),
        required=False,
        help_text=_("May do everything here: see what others have, change limits, invite and block people."),
    )

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's signature
        self.instance.is_staff = self.instance.is_superuser = self.cleaned_data["is_operator"]
        person: User = super().save(commit=commit)
        return person


def limit_field(label: StrPromise) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=MAX_LIMIT_VALUE,
        help_text=_("Empty for no limit but yours."),
    )


class KeyForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("What will use it: “phone”, “backup script”."))
    scopes = forms.MultipleChoiceField(
        label=_("What it may do"),
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.READ.value, Scope.WRITE.value],
        error_messages={"required": _("Choose at least one.")},
    )
    expires_in_days = forms.TypedChoiceField(
        label=_("Works for"),
        coerce=int,
        choices=[("30", _("30 days")), ("90", _("90 days")), ("365", _("a year")), ("0", _("ever, until revoked"))],
        initial="90",
    )

    max_concurrent_jobs = limit_field(_("Jobs that run at once"))
    max_jobs_per_day = limit_field(_("Jobs a day"))
    rate_limit_per_minute = limit_field(_("Submissions a minute"))

    def __init__(self, *args: Any, scopes: frozenset[Scope], **kwargs: Any) -> None:
        """`scopes` are those of whoever makes the key, which can pass on no others."""
        super().__init__(*args, **kwargs)
        offered = [(scope.value, label) for scope, label in SCOPE_LABELS.items() if covers(scopes, scope)]
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]  # a MultipleChoiceField

    @property
    def limits(self) -> dict[str, int | None]:
        return {name: self.cleaned_data[name] for name in LIMITS}

    @property
    def has_limit_errors(self) -> bool:
        return any(name in self.errors for name in LIMITS)

    def expires_at(self, now: datetime) -> datetime | None:
        days: int = self.cleaned_data["expires_in_days"]
        return now + timedelta(days=days) if days else None


class RenameForm(forms.Form):
    name = forms.CharField(max_length=100)


class BookmarkForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Where it will be: “Firefox on the laptop”."))


class RotateForm(forms.Form):
    overlap_hours = forms.TypedChoiceField(
        label=_("The old key goes on for"),
        coerce=int,
        choices=[("0", _("no time")), ("1", _("an hour")), ("24", _("a day")), ("168", _("a week"))],
        initial="24",
    )

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["overlap_hours"])
