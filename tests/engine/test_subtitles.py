from __future__ import annotations

import pytest

from downloads.engine.subtitles import choose


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (["en"], ["de", "en", "en-GB"], ["en"]),
        (["en"], ["en-US", "en-GB"], ["en-GB"]),
        (["en"], ["en-US", "en-orig"], ["en-orig"]),
        (["EN"], ["en"], ["en"]),
        (["pt-BR"], ["pt", "pt-br"], ["pt-br"]),
        (["pt-BR"], ["pt"], []),
        (["en", "de", "fr"], ["de", "en"], ["en", "de"]),
        (["en", "en-US"], ["en-US"], ["en-US"]),
        (["e"], ["en"], []),
        ([], ["en"], []),
        (["en"], [], []),
    ],
)
def test_takes_the_language_or_one_variant_of_it(wanted: list[str], offered: list[str], chosen: list[str]) -> None:
    assert choose(wanted, offered) == chosen
