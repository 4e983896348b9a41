"""Counts in the words of scripts: each form that a language has, by the categories of a browser's Intl.PluralRules."""

from __future__ import annotations

import json
from collections.abc import Callable

# One number of each category, in the languages that have it.
EXAMPLES = {"zero": 0, "one": 1, "two": 2, "few": 3, "many": 11}
OTHER = 100


def forms(said: Callable[[int], str]) -> str:
    """JSON for a data- attribute. `said` is `ngettext` of a number; of what is like `other` that is all there is."""
    other = said(OTHER)
    own = {category: said(number) for category, number in EXAMPLES.items() if said(number) != other}
    return json.dumps(own | {"other": other}, ensure_ascii=False)
