"""The words for people that the source marks, found as `make messages` finds them but without gettext's programs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation.template import templatize

from tests.project.tree import PRODUCT, ROOT, modules, parsed, shown

# What each takes: context, words, plural.
CALLS = {
    "_": ("words",),
    "gettext": ("words",),
    "gettext_lazy": ("words",),
    "gettext_noop": ("words",),
    "ngettext": ("words", "plural"),
    "ngettext_lazy": ("words", "plural"),
    "pgettext": ("context", "words"),
    "pgettext_lazy": ("context", "words"),
    "npgettext": ("context", "words", "plural"),
}
_LITERAL = r"""u?(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
_IN_TEMPLATE = re.compile(rf"\b(_|n?p?gettext)\(\s*({_LITERAL}(?:\s*,\s*{_LITERAL})*)")
_EACH = re.compile(_LITERAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    words: str
    context: str = ""
    plural: str = ""


def of_source() -> set[Message]:
    return {*of_templates(), *of_modules()}


def of_templates() -> Iterator[Message]:
    """As Django turns templates into what xgettext reads."""
    for path in sorted((ROOT / "templates").rglob("*.html")):
        for name, arguments in _IN_TEMPLATE.findall(templatize(path.read_text(), origin=shown(path))):
            yield _message(name, [ast.literal_eval(text) for text in _EACH.findall(arguments)])


def of_modules() -> Iterator[Message]:
    for path in modules(*PRODUCT):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                assert not any(isinstance(argument, ast.JoinedStr) for argument in node.args), (
                    f"{shown(path)}:{node.lineno}: f-strings cannot be looked up; use .format() on what is translated."
                )
                texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
                if texts:
                    yield _message(node.func.id, texts)


def _message(name: str, texts: list[str]) -> Message:
    return Message(**dict(zip(CALLS[name], texts, strict=False)))
