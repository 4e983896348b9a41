"""Our own steps in yt-dlp's chain of postprocessors: the wanted container, and tags at the least cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from yt_dlp.globals import postprocessors
from yt_dlp.postprocessor import ffmpeg
from yt_dlp.postprocessor.ffmpeg import (
    FFmpegExtractAudioPP,
    FFmpegFixupM3u8PP,
    FFmpegMetadataPP,
    FFmpegPostProcessor,
    FFmpegPostProcessorError,
)
from yt_dlp.postprocessor.modify_chapters import ModifyChaptersPP
from yt_dlp.utils import MEDIA_EXTENSIONS, Popen, PostProcessingError, prepend_extension, replace_extension

from downloads.engine import artifacts, facts, inspection, mp4, mp4_tags, resume, subtitle_steps, tag_input
from downloads.engine.errors import ErrorCode, JobError

Result = tuple[list[str], dict[str, Any]]

# Steps whose ffmpeg writes the whole file anew anyway, and can write the tags with it.
CARRIERS = ("Merger", "FixupM3u8", "FixupM4a", "Audio", "Container")
# Set in an info dict when the file at hand has its tags.
TAGGED = "__tagged"

_NO_VIDEO = frozenset({*MEDIA_EXTENSIONS.audio, *MEDIA_EXTENSIONS.thumbnails, "gif"})
_MP4_EXTENSIONS = frozenset({"mp4", "m4a", "m4v"})
# Up to here a copy costs little and is safe at any moment; beyond, room is made inside the file where possible.
_COPIED_BYTES = 32 * 1024**2
_UNTAGGABLE = frozenset({"aac"})
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac")
_ENCODERS = {
    "mp4": _H264,
    "mov": _H264,
    "mkv": _H264,
    "flv": (*_H264, "-ar", "44100", "-sn"),
    "avi": ("-c:v", "mpeg4", "-vtag", "XVID", "-q:v", "4", "-c:a", "libmp3lame", "-sn"),
    "webm": ("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1", "-c:a", "libopus", "-sn"),
}


class _Ffmpeg(Popen):  # type: ignore[misc]  # yt_dlp has no types
    """One that was killed, as by a kernel without memory, says nothing of the media: it may be tried again."""

    @classmethod
    def run(cls, command: list[str], **options: Any) -> tuple[str, str, int]:
        with tag_input.without_tags(command) as (shown, descriptors):
            output, words, status = super().run(shown, pass_fds=descriptors, **options)
        if status < 0:
            raise JobError(ErrorCode.INTERNAL_ERROR, f"ffmpeg was killed (signal {-status})")
        return output, words, status


class _ListeningPP(FFmpegPostProcessor):  # type: ignore[misc]  # yt_dlp has no types
    """Keeps what ffmpeg says of the file it writes: asking again would cost another process."""

    def real_run_ffmpeg(self, *arguments: Any, **options: Any) -> str:
        words: str = super().real_run_ffmpeg(*arguments, **options)
        self._downloader.heard = facts.from_ffmpeg(words)
        return words


class ContainerPP(_ListeningPP):
    """Video in the wanted container: moved there as it is, encoded anew only when allowed, else left where it is."""

    def __init__(self, downloader: Any = None, target: str = "mp4", *, may_recode: bool = False) -> None:
        super().__init__(downloader)
        self._target = target
        self._may_recode = may_recode

    def run(self, info: dict[str, Any]) -> Result:
        source = info["ext"].lower()
        if source == self._target or info.get("vcodec") == "none" or source in _NO_VIDEO:
            return [], info
        path = info["filepath"]
        changed = replace_extension(path, self._target, source)
        if not self._move(path, changed, source):
            return [], info
        info["filepath"], info["ext"] = changed, self._target
        return [path], info

    def _move(self, path: str, changed: str, source: str) -> bool:
        try:
            self._make(path, changed, self.stream_copy_opts(ext=self._target))
        except FFmpegPostProcessorError:
            if self._may_recode:
                self.to_screen(f"Encoding anew for {self._target}")
                self._make(path, changed, (*self.stream_copy_opts(copy=False), *_ENCODERS[self._target]))
                return True
            self.report_warning(
                f"Kept as {source}: {self._target} cannot hold its codecs, and encoding anew is not allowed"
            )
            return False
        return True

    def _make(self, path: str, changed: str, options: Iterable[str]) -> None:
        """By way of a temporary name, so that a killed ffmpeg leaves nothing that looks finished."""
        unfinished = prepend_extension(changed, "temp")
        try:
            self.run_ffmpeg(path, unfinished, options)
        except FFmpegPostProcessorError:
            with suppress(FileNotFoundError):
                Path(unfinished).unlink()
            raise
        Path(unfinished).replace(changed)


class AudioPP(_ListeningPP, FFmpegExtractAudioPP):  # type: ignore[misc]  # yt_dlp has no types
    """yt-dlp calls bare AAC .m4a, which it is not."""

    def run(self, info: dict[str, Any]) -> Result:
        leftover, info = super().run(info)
        if self.mapping == "aac" and info["ext"] == "m4a" and leftover:
            named = str(Path(info["filepath"]).with_suffix(".aac"))
            Path(info["filepath"]).replace(named)
            info["filepath"], info["ext"] = named, "aac"
        return leftover, info

    def get_audio_codec(self, path: str) -> str | None:
        """Without ffprobe where the file is MP4."""
        layout = mp4.read_layout(Path(path)) if Path(path).suffix in {".mp4", ".m4a"} else None
        codec = mp4.facts(layout).acodec if layout else None
        if codec and codec.startswith("mp4a.40"):
            return "aac"
        asked: str | None = super().get_audio_codec(path)
        return asked


class FixupM3u8PP(_ListeningPP, FFmpegFixupM3u8PP):  # type: ignore[misc]  # yt_dlp has no types
    """yt-dlp starts ffprobe twice, for what the first bytes tell and for a filter that ffmpeg adds by itself."""

    def run(self, info: dict[str, Any]) -> Result:
        path = Path(info["filepath"])
        if info["ext"] in _MP4_EXTENSIONS and inspection.is_transport_stream(path):
            self._fixup("Fixing MPEG-TS in MP4 container", str(path), [*self.stream_copy_opts(), "-f", "mp4"])
        return [], info


class CutPP(_ListeningPP, ModifyChaptersPP):  # type: ignore[misc]  # yt_dlp has no types
    """Takes out what viewers have marked. yt-dlp asks ffprobe for the length, which not every ffmpeg comes with."""

    def _get_real_video_duration(self, filepath: str, fatal: bool = True) -> float | None:  # noqa: FBT001, FBT002
        # Told to do nothing with a file, ffmpeg describes it and fails.
        words = self.real_run_ffmpeg([(filepath, [])], [], expected_retcodes=(1,))
        duration = facts.from_ffmpeg(words).duration
        if duration is None and fatal:
            raise PostProcessingError("Nothing can be cut out: the length of the media is unknown")
        return duration


class TagsPP(_ListeningPP, FFmpegMetadataPP):  # type: ignore[misc]  # yt_dlp has no types
    """Tags and an early `moov`, without a process where that is possible. Also without tags, for the `moov`."""

    def __init__(self, downloader: Any = None, *, add_metadata: bool = True, add_chapters: bool = False) -> None:
        super().__init__(downloader, add_metadata=add_metadata, add_chapters=add_chapters, add_infojson=False)
        self.adds_metadata = add_metadata

    def run(self, info: dict[str, Any]) -> Result:
        if self._add_chapters and info.get("chapters"):
            return self._by_ffmpeg(info)
        if info.get(TAGGED) or info["ext"] in _UNTAGGABLE or self._without_ffmpeg(info):
            return [], info
        return self._by_ffmpeg(info) if self.adds_metadata else ([], info)

    def arguments(self, info: dict[str, Any]) -> list[str]:
        """What ffmpeg is told to write the tags."""
        return [word for pair in self._pairs(info) for word in pair]

    def _pairs(self, info: dict[str, Any]) -> Iterator[tuple[str, str]]:
        return self._get_metadata_opts(info) if self.adds_metadata else iter(())

    def _by_ffmpeg(self, info: dict[str, Any]) -> Result:
        """yt-dlp asks ffprobe for the end of the last chapter, even where no chapters are written."""
        chapters = info.get("chapters")
        if chapters and not self._add_chapters:
            info["chapters"] = None
        result: Result = super().run(info)
        info["chapters"] = chapters
        return result

    def _without_ffmpeg(self, info: dict[str, Any]) -> bool:
        path = Path(info["filepath"])
        tags = _global_tags(self._pairs(info))
        layout = mp4.read_layout(path) if info["ext"] in _MP4_EXTENSIONS and tags is not None else None
        if layout is None or tags is None:
            return False
        try:
            return mp4_tags.is_done(layout, tags) or self._insert(path, layout, tags) or _copy(path, layout, tags)
        except ValueError:  # boxes that contradict each other
            return False

    def _insert(self, path: Path, layout: mp4.Layout, tags: Mapping[str, str]) -> bool:
        if path.stat().st_size <= _COPIED_BYTES:
            return False
        with resume.rewriting(path.parent):
            sums = mp4_tags.insert(path, layout, tags)
        self._downloader.digest = artifacts.Digest.of(path, sums) if sums else None
        return sums is not None


def _global_tags(pairs: Iterable[tuple[str, str]]) -> dict[str, str] | None:
    """None when single streams get tags too, which takes ffmpeg."""
    tags: dict[str, str] = {}
    for option, value in pairs:
        if option == "-metadata":
            name, _, content = value.partition("=")
            tags[name] = content
        elif option.startswith("-metadata"):
            return None
    return tags


def _copy(path: Path, layout: mp4.Layout, tags: Mapping[str, str]) -> bool:
    unfinished = Path(prepend_extension(str(path), "temp"))
    if not mp4_tags.write(path, layout, tags, unfinished):
        return False
    unfinished.replace(path)
    return True


def lighter(step: Any) -> Any:
    """Our own in place of a step that yt-dlp adds by itself."""
    return FixupM3u8PP(step._downloader) if type(step) is FFmpegFixupM3u8PP else step  # noqa: SLF001


def register() -> None:
    """So that options can name our steps as they name yt-dlp's own."""
    ours = (AudioPP, ContainerPP, CutPP, TagsPP)
    postprocessors.value.update({step.__name__: step for step in ours})
    postprocessors.value["FFmpegSubtitlesConvertorPP"] = subtitle_steps.SubtitlesConvertorPP
    ffmpeg.Popen = _Ffmpeg
