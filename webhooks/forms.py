"""What the pages ask for."""

from __future__ import annotations

from datetime import timedelta

from django import forms

from downloads import addresses
from downloads.api.batch_requests import BATCH_EVENTS
from downloads.api.requests import DEFAULT_WEBHOOK_EVENTS
from webhooks.models.endpoint import MAX_DESCRIPTION_LENGTH, MAX_URL_LENGTH

EVENT_LABELS = {
    "download.queued": "A download is queued",
    "download.started": "A download starts",
    "download.progress": "A download gets on (once a second at most)",
    "download.completed": "A download is completed",
    "download.failed": "A download fails",
    "download.cancelled": "A download is cancelled",
    "download.expiring": "Files will soon be deleted",
    "batch.completed": "A batch has ended",
}


class WebhookForm(forms.Form):
    url = forms.CharField(
        label="Address",
        max_length=MAX_URL_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
        help_text="What is sent there is signed with a secret that you get next.",
    )
    events = forms.MultipleChoiceField(
        label="Tell it when",
        widget=forms.CheckboxSelectMultiple,
        choices=[(event, EVENT_LABELS[event]) for event in BATCH_EVENTS],
        initial=list(DEFAULT_WEBHOOK_EVENTS),
        error_messages={"required": "Choose at least one."},
    )
    description = forms.CharField(
        label="What it is for", required=False, max_length=MAX_DESCRIPTION_LENGTH, help_text="Only you are shown this."
    )

    def clean_url(self) -> str:
        try:
            return addresses.parse(self.cleaned_data["url"]).url
        except addresses.AddressError as error:
            raise forms.ValidationError(str(error), code=error.code) from error


class RotateForm(forms.Form):
    overlap_hours = forms.TypedChoiceField(
        label="The old secret signs, too, for",
        coerce=int,
        choices=[("0", "no time"), ("1", "an hour"), ("24", "a day"), ("168", "a week")],
        initial="24",
    )

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.cleaned_data["overlap_hours"])
