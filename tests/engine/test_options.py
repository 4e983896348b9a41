from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from yt_dlp import YoutubeDL
from yt_dlp.postprocessor.ffmpeg import FFmpegFixupPostProcessor, FFmpegPostProcessor

from downloads.engine import ytdlp
from downloads.engine.options import CONCAT_STEPS, FFMPEG_STEPS, build, is_custom_format
from downloads.engine.spec import DownloadOptions, JobSpec

pytestmark = pytest.mark.promise("S3")


def params(**changes: Any) -> dict[str, Any]:
    own = {name: changes.pop(name) for name in ("cookies_file", "playlist_item", "ffmpeg_location") if name in changes}
    fields = {"ffmpeg_location": "/usr/bin/ffmpeg", **own}
    return build(
        JobSpec(
            job_id="1",
            attempt=1,
            url="https://site.test/",
            work_directory="/work",
            proxy_url="http://127.0.0.1:3128",
            options=DownloadOptions(**changes),
            **fields,
        )
    )


def steps(**options: Any) -> list[str]:
    return [step["key"] for step in params(**options)["postprocessors"]]


def step(name: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(step for step in params(**options)["postprocessors"] if step["key"] == name)
    return {key: value for key, value in found.items() if key != "key"}


def test_needs_neither_yt_dlp_nor_django() -> None:
    code = "import sys, downloads.engine.options; print({'yt_dlp', 'django'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_the_safe_settings_are_there_whatever_is_asked() -> None:
    safe = {
        "allow_playlist_files": False,
        "allow_unplayable_formats": False,
        "cachedir": False,
        "color": "never",
        "cookiefile": None,
        "enable_file_urls": False,
        "ignoreerrors": False,
        "noplaylist": True,
        "outtmpl": {"default": "media.%(ext)s", "pl_thumbnail": ""},
        "paths": {"home": "/work"},
        "proxy": "http://127.0.0.1:3128",
        "remote_components": (),
        "skip_unavailable_fragments": False,
        "updatetime": False,
        "usenetrc": False,
    }
    asked = params(quality="720p", download_subtitles=True, embed_thumbnail=True, clip_start_sec=1.0)
    assert {name: asked[name] for name in safe} == safe


def test_the_fast_settings_are_there() -> None:
    fast = params()
    assert fast["concurrent_fragment_downloads"] == 8
    assert fast["continuedl"] is True
    assert fast["nopart"] is False
    assert "http_chunk_size" not in fast
    assert fast["external_downloader"] == {"m3u8": "native"}


def test_never_names_what_would_run_programs_or_read_other_files() -> None:
    everything = params(
        download_subtitles=True,
        embed_subtitles=True,
        auto_subtitles=True,
        write_thumbnail=True,
        embed_thumbnail=True,
        embed_chapters=True,
        write_info_json=True,
        sponsorblock_remove=("sponsor",),
        allow_recode=True,
    )
    dangerous = {
        "batchfile",
        "client_certificate",
        "config_locations",
        "cookiesfrombrowser",
        "download_archive",
        "exec_cmd",
        "load_info_filename",
        "netrc_cmd",
        "netrc_location",
        "plugin_dirs",
        "print_to_file",
        "http_headers",
    }
    assert dangerous.isdisjoint(everything)
    assert {"Exec", "MetadataParser", "XAttrMetadata"}.isdisjoint(step["key"] for step in everything["postprocessors"])


@pytest.mark.parametrize(
    ("quality", "sort"),
    [
        ("best", ["lang", "quality", "res"]),
        ("4k", ["res:2160", "lang", "quality"]),
        ("2160p", ["res:2160", "lang", "quality"]),
        ("1440p", ["res:1440", "lang", "quality"]),
        ("1080p", ["res:1080", "lang", "quality"]),
        ("720p", ["res:720", "lang", "quality"]),
        ("480p", ["res:480", "lang", "quality"]),
        ("360p", ["res:360", "lang", "quality"]),
    ],
)
def test_a_quality_is_an_order_of_preference_and_never_a_filter(quality: str, sort: list[str]) -> None:
    chosen = params(quality=quality)
    assert chosen["format"] == "bv*+ba/b"
    assert chosen["format_sort"][:3] == sort


@pytest.mark.parametrize(
    ("container", "merge", "codecs"),
    [
        ("mp4", "mp4", ["vcodec:h264", "channels", "acodec:aac"]),
        ("mov", "mov", ["vcodec:h264", "channels", "acodec:aac"]),
        ("mkv", "mkv", []),
        ("webm", "webm/mp4/mkv", ["vcodec:vp9", "channels", "acodec:opus"]),
        ("avi", "mp4/mkv", ["vcodec:h264", "channels", "acodec:aac"]),
        ("flv", "mp4/mkv", ["vcodec:h264", "channels", "acodec:aac"]),
    ],
)
def test_a_container_prefers_the_codecs_that_it_can_hold(container: str, merge: str, codecs: list[str]) -> None:
    chosen = params(video_format=container, allow_recode=True)
    assert chosen["merge_output_format"] == merge
    assert chosen["format_sort"][5:] == codecs
    assert step("Container", video_format=container, allow_recode=True) == {"target": container, "may_recode": True}


@pytest.mark.parametrize(
    ("audio_format", "sort"),
    [
        ("mp3", ["acodec:mp3"]),
        ("m4a", ["acodec:aac"]),
        ("aac", ["acodec:aac"]),
        ("opus", ["acodec:opus"]),
        ("vorbis", ["acodec:vorbis"]),
        ("flac", []),
        ("wav", []),
    ],
)
@pytest.mark.parametrize("how", [{"audio_only": True}, {"quality": "audio"}, {"quality": "audio_only"}])
def test_audio_comes_alone_and_spares_an_encoding_where_it_can(
    how: dict[str, Any], audio_format: str, sort: list[str]
) -> None:
    chosen = params(audio_format=audio_format, **how)
    assert chosen["format"] == "ba/b"
    assert chosen["format_sort"] == ["lang", "quality", *sort]
    assert "merge_output_format" not in chosen
    assert [step["key"] for step in chosen["postprocessors"]] == ["Audio", "Tags"]


@pytest.mark.parametrize(
    ("audio_format", "quality", "preferred"),
    [
        ("mp3", "96", "96"),
        ("m4a", "320", "320"),
        ("opus", "best", "0"),
        ("flac", "192", None),
        ("wav", "best", None),
    ],
)
def test_an_audio_quality_is_a_bitrate_or_the_best(audio_format: str, quality: str, preferred: str | None) -> None:
    assert step("Audio", audio_only=True, audio_format=audio_format, audio_quality=quality) == {
        "preferredcodec": audio_format,
        "preferredquality": preferred,
    }


def test_a_custom_format_takes_the_place_of_the_selector() -> None:
    assert params(custom_format="137+140/22")["format"] == "137+140/22"
    assert params(custom_format="140", audio_only=True)["format"] == "140"


@pytest.mark.parametrize(
    "text", ["22", "137+140", "137+140/22/18", "hls-1080p.v2", "http_mp4:audio=1@2", "best", "0-1"]
)
def test_custom_formats_are_ids_joined_by_plus_and_slash(text: str) -> None:
    assert is_custom_format(text)
    listener: Any = None
    downloader = ytdlp.Downloader({"format": text, "quiet": True}, listener)
    formats = [
        {"format_id": one, "url": "u", "ext": "mp4", "vcodec": "a", "acodec": "b"} for one in text.split("/")[:1]
    ]
    assert "+" in text or list(downloader.format_selector({"formats": formats, "has_merged_format": True}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all",
        "mergeall",
        "22/all",
        "best[height<=720]",
        "bv*+ba",
        "(22)",
        "22,18",
        "-",
        "-1",
        "22+",
        "/22",
        "22 18",
        "22//18",
        "a$(x)",
        "a'b",
        "é",
        "22\n",
        "1" * 201,
    ],
)
def test_custom_formats_are_nothing_else(text: str) -> None:
    assert not is_custom_format(text)
    with pytest.raises(ValueError, match="custom format"):
        params(custom_format=text)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (False, False)),
        ({"auto_subtitles": True}, (False, False)),
        ({"download_subtitles": True}, (True, False)),
        ({"download_subtitles": True, "auto_subtitles": True}, (True, True)),
        ({"embed_subtitles": True, "auto_subtitles": True}, (True, True)),
        ({"embed_subtitles": True, "audio_only": True}, (False, False)),
        ({"embed_subtitles": True, "video_format": "avi"}, (False, False)),
        ({"download_subtitles": True, "audio_only": True}, (True, False)),
    ],
)
def test_subtitles_are_fetched_when_something_is_done_with_them(
    options: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    chosen = params(**options)
    assert (chosen["writesubtitles"], chosen["writeautomaticsub"]) == expected
    assert ("FFmpegSubtitlesConvertor" in steps(**options)) is expected[0]


@pytest.mark.parametrize("subtitle_format", ["srt", "vtt", "ass", "lrc"])
def test_subtitles_are_converted_to_the_format_asked_for(subtitle_format: str) -> None:
    options = {"download_subtitles": True, "subtitle_format": subtitle_format, "subtitle_languages": ("en", "pt-BR")}
    assert step("FFmpegSubtitlesConvertor", **options) == {"format": subtitle_format, "when": "before_dl"}
    assert params(**options)["subtitlesformat"].split("/")[0] == subtitle_format
    assert params(**options)["subtitleslangs"] == ["en", "pt-BR"]


def test_subtitles_for_webm_alone_are_webvtt() -> None:
    assert step("FFmpegSubtitlesConvertor", embed_subtitles=True, video_format="webm")["format"] == "vtt"


def test_embedded_subtitles_stay_as_files_only_when_asked_for() -> None:
    assert step("FFmpegEmbedSubtitle", embed_subtitles=True) == {"already_have_subtitle": False}
    assert step("FFmpegEmbedSubtitle", embed_subtitles=True, download_subtitles=True) == {"already_have_subtitle": True}


@pytest.mark.parametrize(
    ("options", "writes", "embeds"),
    [
        ({}, False, False),
        ({"write_thumbnail": True}, True, False),
        ({"embed_thumbnail": True}, True, True),
        ({"embed_thumbnail": True, "video_format": "webm"}, False, False),
        ({"embed_thumbnail": True, "audio_only": True, "audio_format": "wav"}, False, False),
        ({"embed_thumbnail": True, "audio_only": True, "audio_format": "opus"}, True, True),
        ({"embed_thumbnail": True, "write_thumbnail": True, "video_format": "flv"}, True, False),
    ],
)
def test_a_thumbnail_is_embedded_where_the_container_can_hold_it(
    options: dict[str, Any], writes: bool, embeds: bool
) -> None:
    assert params(**options)["writethumbnail"] is writes
    assert ("EmbedThumbnail" in steps(**options)) is embeds


def test_a_thumbnail_is_converted_when_it_is_kept() -> None:
    kept = {"write_thumbnail": True, "thumbnail_format": "webp"}
    assert step("FFmpegThumbnailsConvertor", **kept) == {"format": "webp", "when": "before_dl"}
    assert step("EmbedThumbnail", embed_thumbnail=True, **kept) == {"already_have_thumbnail": True}
    assert "FFmpegThumbnailsConvertor" not in steps(embed_thumbnail=True)


def test_tags_and_chapters_are_written_as_asked() -> None:
    assert step("Tags") == {"add_metadata": True, "add_chapters": False}
    assert step("Tags", embed_metadata=False, embed_chapters=True) == {"add_metadata": False, "add_chapters": True}


def test_sponsorblock_segments_are_removed() -> None:
    options = {"sponsorblock_remove": ("sponsor", "intro")}
    assert step("SponsorBlock", **options) == {"categories": ["intro", "sponsor"], "when": "after_filter"}
    assert step("Cut", **options) == {"remove_sponsor_segments": ["intro", "sponsor"]}


def test_the_steps_come_in_the_order_in_which_they_work() -> None:
    assert steps(
        sponsorblock_remove=("sponsor",),
        download_subtitles=True,
        embed_subtitles=True,
        write_thumbnail=True,
        embed_thumbnail=True,
    ) == [
        "SponsorBlock",
        "FFmpegSubtitlesConvertor",
        "FFmpegThumbnailsConvertor",
        "Container",
        "FFmpegEmbedSubtitle",
        "Cut",
        "Tags",
        "EmbedThumbnail",
    ]


def test_one_item_of_a_playlist_is_taken() -> None:
    assert params()["playlist_items"] == "1"
    assert params(playlist_item=7)["playlist_items"] == "7"


def test_the_cookies_and_ffmpeg_are_where_the_spec_says() -> None:
    assert params(cookies_file="/cookies")["cookiefile"] == "/cookies"
    assert params()["ffmpeg_location"] == "/usr/bin/ffmpeg"
    assert params(ffmpeg_location="")["ffmpeg_location"] is None


@pytest.mark.parametrize(
    "options",
    [
        {"quality": "8k"},
        {"video_format": "exe"},
        {"audio_format": "mp2"},
        {"audio_quality": "0"},
        {"subtitle_format": "json"},
        {"thumbnail_format": "svg"},
        {"sponsorblock_remove": ("chapter",)},
        {"subtitle_languages": ("all",)},
        {"subtitle_languages": ("en.*",)},
        {"subtitle_languages": ("-en",)},
        {"subtitle_languages": ("../en",)},
        {"subtitle_languages": ("en",) * 21},
        {"clip_start_sec": -1.0},
        {"clip_start_sec": 5.0, "clip_end_sec": 5.0},
        {"clip_end_sec": 0.0},
    ],
)
def test_refuses_what_the_api_would_have_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        params(**options)


def _kinds(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)


def test_every_step_that_feeds_ffmpeg_has_its_lists() -> None:
    ytdlp.prepare()
    abstract = {FFmpegPostProcessor, FFmpegFixupPostProcessor}
    known: set[str] = {kind.pp_key() for kind in _kinds(FFmpegPostProcessor) if kind not in abstract}  # type: ignore[attr-defined]
    public = {name for name in known if not name.startswith("_")}
    assert public == {*FFMPEG_STEPS, *CONCAT_STEPS}
    arguments = params()["postprocessor_args"]
    for name in public:
        words = arguments[f"{name.lower()}+ffmpeg_i"]
        formats = words[words.index("-format_whitelist") + 1].split(",")
        assert words[words.index("-protocol_whitelist") + 1] == "file"
        assert {"hls", "dash", "sdp", "rtsp", "lavfi", "subfile"}.isdisjoint(formats)
        assert ("concat" in formats) is (name in CONCAT_STEPS)


def test_an_ffmpeg_that_downloads_may_not_open_local_files() -> None:
    words = params()["external_downloader_args"]["ffmpeg_i"]
    assert "file" not in words[words.index("-protocol_whitelist") + 1].split(",")


def test_yt_dlp_takes_all_of_it() -> None:
    ytdlp.prepare()
    wanted = ("download_subtitles", "embed_subtitles", "write_thumbnail", "embed_thumbnail")
    everything = params(**dict.fromkeys(wanted, True), sponsorblock_remove=("sponsor",))
    with YoutubeDL({**everything, "quiet": True}, auto_init=False) as downloader:
        assert downloader.params["outtmpl"]["default"] == "media.%(ext)s"
