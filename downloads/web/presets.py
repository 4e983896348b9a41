"""The settings page of presets: options under a name, to be chosen on the first page."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.limits import limit_form
from accounts.principal import principal_of
from downloads.api.requests import DownloadOptionsSerializer
from downloads.models import Preset
from downloads.models.preset import MAX_NAME_LENGTH, MAX_PER_OWNER
from downloads.web import answers, words
from downloads.web.forms import FORGOTTEN, DownloadForm
from downloads.web.home import first_choices, jars_of

CHANGES_PER_MINUTE = 60
PRESETS_CHANGED = "presets-changed"
TAKEN = _("You have a preset of this name already.")


class PresetForm(DownloadForm):
    """The options that are kept from one download to the next, and a name."""

    name = forms.CharField(
        label=_("Name"),
        max_length=MAX_NAME_LENGTH,
        strip=True,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in FORGOTTEN:
            del self.fields[name]

    def clean(self) -> dict[str, Any]:
        serializer = DownloadOptionsSerializer(data=self.options())
        if not serializer.is_valid():
            self.complain(serializer.errors)
        return self.cleaned_data

    def options(self) -> dict[str, Any]:
        return {name: value for name, value in super().options().items() if name != "name"}

    def kept(self) -> dict[str, Any]:
        return {name: value for name, value in self.remembered().items() if name != "name"}

    def save(self, preset: Preset) -> bool:
        """False when it is refused; the form then says why."""
        preset.name, preset.options = self.cleaned_data["name"], self.kept()
        if Preset.objects.owned_by(preset.owner).exclude(pk=preset.pk).count() >= MAX_PER_OWNER:
            said = gettext("You can have {count} presets. Delete one first.")
            self.add_error(None, said.format(count=MAX_PER_OWNER))
            return False
        try:
            with transaction.atomic():
                preset.save()
        except IntegrityError:
            self.add_error("name", TAKEN)
            return False
        return True


@login_required
@require_GET
def listed(request: HttpRequest) -> HttpResponse:
    mine = Preset.objects.owned_by(principal_of(request).user)
    return render(request, "presets/list.html", {"presets": [_told(preset) for preset in mine]})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@limit_form("presets", CHANGES_PER_MINUTE)
def new(request: HttpRequest) -> HttpResponse:
    """A GET begins with the choices of last time; a post may come from the first page with what is chosen there."""
    preset = Preset(owner=principal_of(request).user)
    if "from_home" in request.POST:
        return _brought(request, preset)
    if request.method == "POST":
        return _saved(request, preset)
    return _page(request, preset, PresetForm(initial=first_choices(request), jars=jars_of(request)))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@limit_form("presets", CHANGES_PER_MINUTE)
def edit(request: HttpRequest, preset_id: uuid.UUID) -> HttpResponse:
    preset = _own(request, preset_id)
    if request.method == "POST":
        return _saved(request, preset)
    initial = {**preset.options, "name": preset.name}
    return _page(request, preset, PresetForm(initial=initial, jars=jars_of(request)))


@login_required
@require_POST
@limit_form("presets", CHANGES_PER_MINUTE)
def delete(request: HttpRequest, preset_id: uuid.UUID) -> HttpResponse:
    preset = _own(request, preset_id)
    preset.delete()
    messages.success(request, gettext("The preset {name} is deleted.").format(name=preset.name))
    return redirect("presets")


def _told(preset: Preset) -> tuple[Preset, str, list[tuple[str, str]]]:
    chosen = {name: value for name, value in preset.options.items() if value not in (None, "", [])}
    if hours := chosen.get("retention_hours"):
        chosen["retention_hours"] = float(hours)
    others = {name: value for name, value in chosen.items() if name != "quality"}
    return preset, words.choice_of(chosen), words.options_of(others)


def _saved(request: HttpRequest, preset: Preset) -> HttpResponse:
    """To htmx on the first page it only says what has become of it."""
    form = PresetForm(request.POST, jars=jars_of(request))
    is_saved = form.is_valid() and form.save(preset)
    said = gettext("The preset {name} is saved. It is among the presets on the first page.").format(name=preset.name)
    if request.headers.get("HX-Request"):
        level, text = (messages.SUCCESS, said) if is_saved else (messages.WARNING, _first_error(form))
        return answers.say(request, level, text, PRESETS_CHANGED)
    if is_saved:
        messages.success(request, said)
        return redirect("presets")
    return _page(request, preset, form, status=422)


def _first_error(form: PresetForm) -> str:
    name, errors = next(iter(form.errors.items()))
    label = form.fields[name].label if name in form.fields else ""
    return f"{label}: {errors[0]}" if label else str(errors[0])


def _brought(request: HttpRequest, preset: Preset) -> HttpResponse:
    """The choices of the first page, still without a name."""
    form = PresetForm(request.POST, jars=jars_of(request))
    form.errors.pop("name", None)
    return _page(request, preset, form)


def _own(request: HttpRequest, preset_id: uuid.UUID) -> Preset:
    return get_object_or_404(Preset.objects.owned_by(principal_of(request).user), pk=preset_id)


def _page(request: HttpRequest, preset: Preset, form: PresetForm, status: int = 200) -> HttpResponse:
    # Its name as it was, whatever the form says.
    saved = Preset.objects.filter(pk=preset.pk).first()
    return render(request, "presets/edit.html", {"preset": saved, "form": form}, status=status)
