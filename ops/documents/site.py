"""What mkdocs does beside building docs/: adds the documents of the root, and refuses what loads from elsewhere."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent.parent
# Where the documents of the root are on the site. README.md would become its first page.
OF_THE_ROOT = {
    "README.md": "start.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "LICENSE": "licence.md",
}
ON_THE_SITE = {place: name for name, place in OF_THE_ROOT.items()}

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^\s>]*")
LINKED = re.compile(r"<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^\s>]*")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Decisions are in their order, and need no entry of their own."""
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    config.nav = [*(config.nav or []), {"Decisions": [f"adr/{record.name}" for record in records]}]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for name, place in OF_THE_ROOT.items():
        text = (ROOT / name).read_text()
        content = text if name.endswith(".md") else f"# Licence\n\n```text\n{text}\n```\n"
        files.append(File.generated(config, place, content=content))
    files.append(File.generated(config, "logo.svg", abs_src_path=str(ROOT / "static" / "logo.svg")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs names them
    """Links that are right in the repository, made right on the site."""
    place = page.file.src_uri
    here = posixpath.dirname(ON_THE_SITE.get(place, f"docs/{place}"))

    def on_the_site(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, found[1]))
        target = OF_THE_ROOT.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(target, posixpath.dirname(place) or ".")

    return LINK.sub(on_the_site, markdown)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 - mkdocs names them
    if foreign := LOADED.findall(output) + LINKED.findall(output):
        raise PluginError(f"{page.file.src_uri} loads from elsewhere: {foreign}")
    return output
