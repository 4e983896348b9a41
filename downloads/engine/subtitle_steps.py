"""yt-dlp's conversion of subtitles, of which one that ffmpeg cannot read costs neither the others nor the video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yt_dlp.postprocessor.ffmpeg import FFmpegSubtitlesConvertorPP
from yt_dlp.utils import PostProcessingError


class SubtitlesConvertorPP(FFmpegSubtitlesConvertorPP):  # type: ignore[misc]  # yt_dlp has no types
    def run(self, info: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
        leftover: list[str] = []
        chosen = info.get("requested_subtitles") or {}
        for language, subtitle in list(chosen.items()):
            alone = {language: subtitle}
            try:
                more, _ = super().run(info | {"requested_subtitles": alone})
            except (PostProcessingError, ValueError, SyntaxError) as error:  # the last is Python's of XML
                self._leave_out(info, language, f"cannot be read: {error}")
                continue
            leftover += more
            chosen[language] = alone[language]
            if more and not Path(chosen[language]["filepath"]).stat().st_size:
                # ffmpeg believes the name of a file, finds no line of text in it, and refuses to embed what it wrote.
                self._leave_out(info, language, "has no text")
        return leftover, info

    def _leave_out(self, info: dict[str, Any], language: str, reason: str) -> None:
        self.report_warning(f"The subtitle {language} is left out: it {reason}")
        path = info["requested_subtitles"].pop(language)["filepath"]
        info["__files_to_move"].pop(path, None)
        Path(path).unlink(missing_ok=True)
