"""What mends a failure: the buttons beside it, each of which leads to where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext, gettext_noop

from accounts.models import User
from downloads.engine.errors import ErrorCode
from downloads.models import CookieJar, Job, Status
from downloads.web import again

WANTS_COOKIES = frozenset(
    {
        ErrorCode.PRIVATE,
        ErrorCode.LOGIN_REQUIRED,
        ErrorCode.BOT_CHECK,
        ErrorCode.AGE_RESTRICTED,
        ErrorCode.MEMBERS_ONLY,
        ErrorCode.COOKIES_INVALID,
        ErrorCode.COOKIES_GONE,
    }
)
# What is sent once more with something else: the button's words and icon.
WANTS_ANOTHER = {
    **dict.fromkeys(
        (ErrorCode.FORMAT_UNAVAILABLE, ErrorCode.TOO_LARGE, ErrorCode.POSTPROCESSING_FAILED),
        (gettext_noop("Choose a format"), "options"),
    ),
    **dict.fromkeys(
        (ErrorCode.UNSUPPORTED_URL, ErrorCode.NOT_FOUND, ErrorCode.UNSAFE_CONTENT),
        (gettext_noop("Correct the link"), "link"),
    ),
    ErrorCode.LIVE_NOT_STARTED: (gettext_noop("Choose a time"), "clock"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A button."""

    label: str
    icon: str
    address: str


def of(owner: User, job: Job) -> list[Step]:
    """For a job that has failed, the most promising first. None where all that can be done is to try again."""
    if job.status != Status.FAILED:
        return []
    code, address = job.error_code, again.address(job, opens_options=True)
    if code in WANTS_COOKIES:
        return [*_stored(owner, job), add_cookies(address)]
    if code in WANTS_ANOTHER:
        words, icon = WANTS_ANOTHER[ErrorCode(code)]
        return [Step(label=gettext(words), icon=icon, address=again.address(job, opens_options=icon != "link"))]
    if code == ErrorCode.QUOTA_EXCEEDED:
        return [
            Step(label=gettext("Make room"), icon="library", address=reverse("library")),
            Step(label=gettext("See your usage"), icon="info", address=reverse("accounts:usage")),
        ]
    return []


def of_link(code: str, url: str) -> list[Step]:
    """For a link that could not be looked at, or a list that could not be read."""
    return [add_cookies(f"{reverse('home')}?{urlencode({'url': url})}")] if code in WANTS_COOKIES else []


def add_cookies(then: str) -> Step:
    """`then`: the page on which they are to be used."""
    address = f"{reverse('cookies')}?{urlencode({'next': then})}"
    return Step(label=gettext("Add cookies"), icon="lock", address=address)


def _stored(owner: User, job: Job) -> list[Step]:
    """Cookies for the site that are there already, but for those that it was tried with."""
    tried = str(job.options.get("cookies_id"))
    jars = CookieJar.objects.owned_by(owner).usable().defer("ciphertext")
    return [
        Step(
            label=gettext("Use the cookies {name}").format(name=jar.name),
            icon="lock",
            address=f"{again.address(job, opens_options=True)}&{urlencode({again.COOKIES: jar.pk})}",
        )
        for jar in jars
        if str(jar.pk) != tried and jar.is_for(job.host)
    ][:1]
