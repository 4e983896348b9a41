"""How far away a moment is, in words: "3 min ago", "in 2 days". static/js/time.js says the same with the same words."""

from __future__ import annotations

from datetime import timedelta

from django.utils.translation import gettext, gettext_noop

# Whole seconds below which a moment is told in the unit: the same table as in static/js/time.js.
SPANS = (
    (45, 1, "now"),
    (90 * 60, 60, "min"),
    (36 * 3600, 3600, "h"),
    (730 * 86400, 86400, "days"),
    (float("inf"), 31557600, "years"),
)
# By the unit: of what was, and of what will be. There are always two days, or years, at least.
WORDS = {
    "now": (gettext_noop("just now"), gettext_noop("in a moment")),
    "min": (gettext_noop("{count} min ago"), gettext_noop("in {count} min")),
    "h": (gettext_noop("{count} h ago"), gettext_noop("in {count} h")),
    "days": (gettext_noop("{count} days ago"), gettext_noop("in {count} days")),
    "years": (gettext_noop("{count} years ago"), gettext_noop("in {count} years")),
}


def relative(distance: timedelta) -> str:
    seconds = abs(distance.total_seconds())
    length, unit = next((length, unit) for limit, length, unit in SPANS if seconds < limit)
    before, after = WORDS[unit]
    return gettext(after if distance.total_seconds() > 0 else before).format(count=max(1, round(seconds / length)))


def told() -> list[tuple[str, str]]:
    """(name, words) of all of them, for the script."""
    return [
        (f"{name}{unit}", gettext(said))
        for unit, both in WORDS.items()
        for name, said in zip(("before", "after"), both, strict=True)
    ]
