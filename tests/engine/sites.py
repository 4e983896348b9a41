"""Sites that list and link as large ones do, and that yt-dlp knows here: they answer from memory."""

from __future__ import annotations

from typing import Any, ClassVar

from yt_dlp.extractor.common import InfoExtractor

HOST = "http://site.test"
A_DAY = 1767225600  # the first of 2026


class ChannelIE(InfoExtractor):  # type: ignore[misc]  # yt_dlp has no types
    """Its front page lists its tabs, and a tab its videos. One of the tabs has gone."""

    IE_NAME = "test:channel"
    _VALID_URL = rf"{HOST}/channel(?:/(?P<id>\w+))?$"
    _TABS: ClassVar[dict[str, list[str]]] = {"videos": ["one", "two"], "shorts": ["three"]}

    def _real_extract(self, url: str) -> dict[str, Any]:
        tab = self._match_valid_url(url)["id"]
        if tab:
            pages = [{"_type": "url", "url": f"{HOST}/watch/{name}", "ie_key": "Watch"} for name in self._TABS[tab]]
            return {"_type": "playlist", "id": tab, "entries": pages}
        links = [self.url_result(f"{HOST}/channel/{name}", ie=ChannelIE) for name in self._TABS]
        return {"_type": "playlist", "id": "channel", "title": "A channel", "entries": links}


class DatesIE(InfoExtractor):  # type: ignore[misc]
    """A list whose entries say when they were published, not all in a year that there is."""

    IE_NAME = "test:dates"
    _VALID_URL = rf"{HOST}/dates$"

    def _real_extract(self, url: str) -> dict[str, Any]:
        entries = [
            {"_type": "url", "url": f"{HOST}/watch/{number}", "timestamp": moment}
            for number, moment in enumerate([A_DAY, 1e12, None])
        ]
        return {"_type": "playlist", "id": "dates", "title": "Dates", "entries": entries}


class EmptyIE(InfoExtractor):  # type: ignore[misc]
    IE_NAME = "test:empty"
    _VALID_URL = rf"{HOST}/empty$"

    def _real_extract(self, url: str) -> dict[str, Any]:
        return {"_type": "playlist", "id": "empty", "title": "Nothing", "entries": []}


class MuteIE(InfoExtractor):  # type: ignore[misc]
    """Whose extractor finds nothing, and has no error to say so."""

    IE_NAME = "test:mute"
    _VALID_URL = rf"{HOST}/mute$"

    def _real_extract(self, url: str) -> None:
        return None


class MazeIE(InfoExtractor):  # type: ignore[misc]
    """Each page names the next."""

    IE_NAME = "test:maze"
    _VALID_URL = rf"{HOST}/maze/(?P<id>\d+)$"

    def _real_extract(self, url: str) -> dict[str, Any]:
        number = int(self._match_id(url))
        found: dict[str, Any] = self.url_result(f"{HOST}/maze/{number + 1}", ie=MazeIE)
        return found


SITES = (ChannelIE, DatesIE, EmptyIE, MuteIE, MazeIE)
