"""The settings page of cookies: store, try and delete them. Nothing that was stored is ever shown."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.limits import limit_form
from accounts.principal import principal_of
from downloads import addresses, cookies, netscape, probing
from downloads.api.cookies import TEST_AGE
from downloads.api.problem import Problem
from downloads.engine.errors import kind_of
from downloads.models import CookieJar, Probe, ProbeKind
from downloads.models.cookies import MAX_NAME_LENGTH
from downloads.web import again, answers

CHANGES_PER_MINUTE = 30


class CookiesForm(forms.Form):
    file = forms.FileField(label=_("File"), required=False, help_text=_("A cookies.txt in Netscape format."))
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}),
    )
    name = forms.CharField(
        label=_("Name"), required=False, max_length=MAX_NAME_LENGTH, help_text=_("The site's domain, unless given.")
    )

    def clean(self) -> dict[str, Any]:
        if bool(self.cleaned_data.get("file")) == bool(self.cleaned_data.get("text")):
            raise ValidationError(_("Choose a file, or paste its text."))
        return self.cleaned_data

    def store(self, request: HttpRequest) -> CookieJar | None:
        """None when it is refused; the form then says why."""
        file = self.cleaned_data["file"]
        try:
            text = netscape.decode(file.read()) if file else self.cleaned_data["text"]
            return cookies.store(principal_of(request).user, text, self.cleaned_data["name"])
        except netscape.NetscapeError as error:
            for complaint in error.complaints:
                self.add_error("file" if file else "text", str(complaint))
        except Problem as problem:
            self.add_error(None, problem.detail)
        return None


@never_cache
@login_required
@require_GET
def listed(request: HttpRequest) -> HttpResponse:
    return _page(request, CookiesForm())


@never_cache
@login_required
@require_POST
@limit_form("cookies", CHANGES_PER_MINUTE)
def store(request: HttpRequest) -> HttpResponse:
    form = CookiesForm(request.POST, request.FILES)
    jar = form.store(request) if form.is_valid() else None
    if jar is None:
        form.data = {**request.POST.dict(), "text": ""}  # not even to whoever sent it
        return _page(request, form, status=422)
    messages.success(
        request,
        ngettext(
            "{count} cookie is stored as {name}.", "{count} cookies are stored as {name}.", jar.cookie_count
        ).format(count=jar.cookie_count, name=jar.name),
    )
    return redirect(_used_by(_next(request, request.POST), jar))


@login_required
@require_POST
@limit_form("cookies", CHANGES_PER_MINUTE)
def delete(request: HttpRequest, cookie_id: uuid.UUID) -> HttpResponse:
    jar = _own(request, cookie_id)
    CookieJar.objects.filter(pk=jar.pk).remove()
    messages.success(request, gettext("The cookies {name} are deleted.").format(name=jar.name))
    return redirect("cookies")


@login_required
@require_POST
@limit_form("cookies", CHANGES_PER_MINUTE)
def test(request: HttpRequest, cookie_id: uuid.UUID) -> HttpResponse:
    jar = _own(request, cookie_id)
    try:
        url = addresses.parse(request.POST.get("url", "").strip()).url
        user = principal_of(request).user
        probe = probing.ask(user, ProbeKind.MEDIA, url, cookies.usable(user, jar.pk), TEST_AGE)
    except (addresses.AddressError, Problem) as error:
        messages.error(request, str(error))
        return redirect("cookies")
    return redirect("cookies_tested", jar.pk, probe.pk)


@never_cache
@login_required
@require_GET
def tested(request: HttpRequest, cookie_id: uuid.UUID, probe_id: uuid.UUID) -> HttpResponse:
    jar = _own(request, cookie_id)
    mine = Probe.objects.owned_by(principal_of(request).user).filter(cookies=jar)
    probe = get_object_or_404(mine, pk=probe_id)
    is_for_site = jar.is_for(addresses.parse(probe.url).host)
    context = {"jar": jar, "probe": probe, "kind": kind_of(probe.error_code), "is_for_site": is_for_site}
    return render(request, "cookies/tested.html", context)


def _own(request: HttpRequest, cookie_id: uuid.UUID) -> CookieJar:
    return get_object_or_404(CookieJar.objects.owned_by(principal_of(request).user), pk=cookie_id)


def _next(request: HttpRequest, asked: QueryDict) -> str:
    """Where they were missing, if somebody came from there."""
    address = asked.get("next", "")
    return address if answers.is_ours(request, address) else ""


def _used_by(address: str, jar: CookieJar) -> str:
    """The form at `address` with these cookies chosen."""
    if not address:
        return reverse("cookies")
    return f"{address}{'&' if '?' in address else '?'}{urlencode({again.COOKIES: jar.pk})}"


def _page(request: HttpRequest, form: CookiesForm, status: int = 200) -> HttpResponse:
    now = timezone.now()
    owned = CookieJar.objects.owned_by(principal_of(request).user).defer("ciphertext")
    context = {"form": form, "jars": [(jar, jar.is_expired(now)) for jar in owned]}
    context["next"] = _next(request, request.POST if request.method == "POST" else request.GET)
    return render(request, "cookies/page.html", context, status=status)
