from __future__ import annotations

import re

import pytest

from accounts import keyformat


def test_a_key_shows_what_it_is_and_has_256_secret_bits() -> None:
    plain = keyformat.generate()
    assert re.fullmatch(r"mdl_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}", plain)
    assert len(keyformat.ALPHABET) ** keyformat.SECRET_LENGTH > 2**256


def test_no_two_keys_are_equal_and_each_is_plausible() -> None:
    keys = {keyformat.generate() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(keyformat.is_plausible(key) for key in keys)


def test_the_prefix_is_the_part_that_may_be_shown() -> None:
    plain = keyformat.generate()
    assert plain.startswith(f"mdl_{keyformat.prefix_of(plain)}_")
    assert keyformat.prefix_of("a-secret-of-somebody-else") == ""


def test_every_mistyped_character_of_a_key_is_noticed() -> None:
    plain = keyformat.generate()
    for position in range(4, len(plain)):
        if plain[position] != "_":
            changed = "0" if plain[position] != "0" else "1"
            assert not keyformat.is_plausible(plain[:position] + changed + plain[position + 1 :])


@pytest.mark.parametrize(
    "plain",
    [
        "",
        "short",
        "fifteen-chars-x",
        "with spaces in the middle",
        "tab\tin-the-middle-of-it",
        "nul\0in-the-middle-of-it",
        "umlaut-ä-in-the-middle",
        "x" * 257,
        "line-feed-at-the-end-\n",
    ],
)
def test_what_no_header_can_carry_is_no_key(plain: str) -> None:
    assert not keyformat.is_plausible(plain)


@pytest.mark.parametrize("plain", ["x" * 16, "x" * 256, "mdl_of-somebody-else", "!\"#$%&'()*+,-./~"])
def test_a_key_of_the_operators_own_may_be_any_visible_text(plain: str) -> None:
    assert keyformat.is_plausible(plain)
