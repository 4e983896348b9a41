"""What the pages ask for."""

from __future__ import annotations

from datetime import timedelta

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from downloads import addresses
from downloads.api.batch_requests import BATCH_EVENTS
from downloads.api.requests import DEFAULT_WEBHOOK_EVENTS
from webhooks.models.endpoint import MAX_DESCRIPTION_LENGTH, MAX_URL_LENGTH

EVENT_LABELS = {
    "download.queued": _("A download is queued"),
    "download.started": _("A download starts"),
    "download.progress": _("A download gets on (once a second at most)"),
    "download.completed": _("A download is completed"),
    "download.failed": _("A download fails"),
    "download.cancelled": _("A download is cancelled"),
    "download.expiring": _("Files will soon be deleted"),
    "batch.completed": _("A batch has ended"),
}


class WebhookForm(forms.Form):
    url = forms.CharField(
        label=_("Address"),
        max_length=MAX_URL_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
        help_text=_("What is sent there is signed with a secret that you get next."),
    )
    events = forms.MultipleChoiceField(
        label=_("Tell it when"),
        widget=forms.CheckboxSelectMultiple,
        choices=[(event, EVENT_LABELS[event]) for event in BATCH_EVENTS],
        initial=list(DEFAULT_WEBHOOK_EVENTS),
        error_messages={"required": _("Choose at least one.")},
    )
    description = forms.CharField(
        label=_("What it is for"),
        required=False,
        max_length=MAX_DESCRIPTION_LENGTH,
        help_text=_("Only you are shown this."),
    )

    def clean_url(self) -> str:
        try:
            return addresses.parse(self.cleaned_data["url"]).url
        except addresses.AddressError as error:
            raise forms.ValidationError(gettext(str(error)), code=error.code) from error


class RotateForm(forms.Form):
    overlap_hours = forms.TypedChoiceField(
        label=_("The old secret signs, too, for"),
        coerce=int,
        choices=[("0", _("no time")), ("1", _("an hour")), ("24", _("a day")), ("168", _("a week"))],
        initial="24",
    )

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["overlap_hours"])
