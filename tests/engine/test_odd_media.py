"""What the child makes of media that the origin has not: made here by ffmpeg and served from a directory."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.attempts import FFMPEG, AttemptServer, Outcome, Run, ffmpeg, spec_for
from tests.engine.guard.peers import guard_process, wait_until


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".html": "text/html", ".mpd": "application/dash+xml", ".mp4": "video/mp4", ".webm": "video/webm"}

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and where it is served."""
    directory = tmp_path / "site"
    directory.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=directory)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield directory, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def run(attempt_server: AttemptServer, site: tuple[Path, str], tmp_path: Path) -> Run:
    def one(path: str, **choices: Any) -> Outcome:
        return attempt_server.run(spec_for(site[1] + path, tmp_path / "work", **choices))

    return one


def dash(*sets: str) -> str:
    return (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"'
        f' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>{"".join(sets)}</Period></MPD>'
    )


def adaptation(kind: str, codecs: str, file: str, *, language: str = "") -> str:
    spoken = f' lang="{language}"' if language else ""
    return (
        f'<AdaptationSet mimeType="{kind}"{spoken}><Representation id="{file.partition(".")[0]}" codecs="{codecs}"'
        f' bandwidth="1000"><BaseURL>{file}</BaseURL></Representation></AdaptationSet>'
    )


def test_formats_that_fit_no_mp4_together_are_merged_into_mkv(
    run: Run, site: tuple[Path, str], media_dir: Path
) -> None:
    directory, _ = site
    ffmpeg("-i", media_dir / "video.webm", "-an", "-c", "copy", directory / "picture.webm")
    ffmpeg("-i", media_dir / "audio.mp3", "-t", 2, "-vn", "-c:a", "libvorbis", directory / "sound.webm")
    (directory / "movie.mpd").write_text(
        dash(adaptation("video/webm", "vp8", "picture.webm"), adaptation("audio/webm", "vorbis", "sound.webm"))
    )
    outcome = run("/movie.mpd")
    assert outcome.main["path"] == "media.mkv"
    assert "merged into mkv" in outcome.log
    assert "Kept as mkv" in outcome.log
    assert not list(outcome.work.glob("*.mp4"))


def test_the_language_of_a_stream_is_kept(run: Run, site: tuple[Path, str], media_dir: Path) -> None:
    directory, _ = site
    (directory / "sound.m4a").write_bytes((media_dir / "audio.m4a").read_bytes())
    (directory / "movie.mpd").write_text(dash(adaptation("audio/mp4", "mp4a.40.2", "sound.m4a", language="de")))
    outcome = run("/movie.mpd", audio_only=True, audio_format="m4a")
    assert outcome.main["language"] == "de"
    words = subprocess.run([FFMPEG, "-i", outcome.main_path], capture_output=True, text=True, check=False)
    assert "(deu)" in words.stderr or "(ger)" in words.stderr


def test_a_film_has_the_language_that_its_site_says(run: Run, site: tuple[Path, str], media_dir: Path) -> None:
    directory, _ = site
    (directory / "film.mp4").write_bytes((media_dir / "clip.mp4").read_bytes())
    (directory / "movie.mpd").write_text(dash(adaptation("video/mp4", "avc1.64000d", "film.mp4", language="de")))
    outcome = run("/movie.mpd")
    words = subprocess.run([FFMPEG, "-i", outcome.main_path], capture_output=True, text=True, check=False)
    assert "(deu)" in words.stderr or "(ger)" in words.stderr


@pytest.mark.parametrize("embeds", [True, False])
@pytest.mark.parametrize("file", ["clip.mp4", "video.webm"])
def test_chapters_are_written_when_asked_for(
    run: Run, site: tuple[Path, str], media_dir: Path, embeds: bool, file: str
) -> None:
    directory, address = site
    (directory / file).write_bytes((media_dir / file).read_bytes())
    parts = [
        {"@type": "Clip", "name": name, "startOffset": start, "endOffset": start + 4}
        for name, start in (("First", 0), ("Second", 4))
    ]
    film = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "name": "A film",
        "duration": "PT8S",
        "contentUrl": f"{address}/{file}",
        "hasPart": parts,
    }
    page = f'<html><script type="application/ld+json">{json.dumps(film)}</script></html>'
    (directory / "page.html").write_text(page)
    outcome = run("/page.html", embed_chapters=embeds, video_format=file.rpartition(".")[2])
    assert [chapter["title"] for chapter in outcome.info["metadata"]["chapters"]] == ["First", "Second"]
    written = ffmpeg("-i", outcome.main_path, "-f", "ffmetadata", "-")
    assert ("[CHAPTER]" in written) is embeds
    assert "title=A film" in written.replace("TITLE", "title")


@pytest.mark.parametrize(
    "options",
    [
        ("-movflags", "use_metadata_tags", "-metadata", "mine=1"),
        ("-movflags", "faststart+use_metadata_tags", "-metadata", "mine=1"),
        ("-metadata", "title=saio"),
        ("-brand", "qt  "),
    ],
)
def test_files_of_another_scheme_are_tagged_by_ffmpeg(
    run: Run, site: tuple[Path, str], media_dir: Path, options: tuple[str, ...]
) -> None:
    directory, _ = site
    ffmpeg("-i", media_dir / "clip.mp4", "-c", "copy", *options, directory / "Odd.mp4")
    outcome = run("/Odd.mp4")
    assert "title=Odd" in ffmpeg("-i", outcome.main_path, "-f", "ffmetadata", "-")


def test_a_file_that_starts_late_is_mended_without_tags_too(run: Run, site: tuple[Path, str], media_dir: Path) -> None:
    directory, _ = site
    ffmpeg("-i", media_dir / "clip.mp4", "-c", "copy", directory / "late.mp4")
    content = run("/late.mp4", embed_metadata=False).main_path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_what_only_ffmpeg_could_change_stays_as_it_is_without_tags(
    run: Run, site: tuple[Path, str], media_dir: Path
) -> None:
    directory, _ = site
    (directory / "movie.webm").write_bytes((media_dir / "video.webm").read_bytes())
    outcome = run("/movie.webm", embed_metadata=False, video_format="webm")
    assert outcome.main_path.read_bytes() == (media_dir / "video.webm").read_bytes()


def test_a_thumbnail_that_the_container_cannot_hold_is_only_a_warning(
    run: Run, site: tuple[Path, str], media_dir: Path
) -> None:
    directory, address = site
    for name in ("video.webm", "image.jpg"):
        (directory / name).write_bytes((media_dir / name).read_bytes())
    (directory / "page.html").write_text(
        f'<meta property="og:video" content="{address}/video.webm">'
        f'<meta property="og:image" content="{address}/image.jpg"><html>'
    )
    outcome = run("/page.html", embed_thumbnail=True)
    assert outcome.main["path"] == "media.webm"
    assert "EmbedThumbnail: " in outcome.log


@pytest.mark.parametrize("address", ["rtmp://127.0.0.1/live", "ftp://127.0.0.1/a.mp4", "file:///etc/passwd"])
def test_media_of_other_schemes_are_not_fetched(run: Run, site: tuple[Path, str], address: str) -> None:
    directory, _ = site
    (directory / "page.html").write_text(f'<html><meta property="og:video" content="{address}"></html>')
    assert run("/page.html").error["code"] in {"url_blocked", "unsupported_url"}


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + bytes(5000), b"PK\x03\x04" + bytes(5000)])
def test_programs_archives_and_nothing_are_no_media(run: Run, site: tuple[Path, str], content: bytes) -> None:
    directory, _ = site
    (directory / "a.mp4").write_bytes(content)
    assert run("/a.mp4").error["code"] in {"unsafe_content", "network_error"}


def test_a_broken_file_is_a_failure_of_processing(run: Run, site: tuple[Path, str]) -> None:
    directory, _ = site
    (directory / "a.webm").write_bytes(b"\x1aE\xdf\xa3" + b"\x01" * 5000)
    outcome = run("/a.webm")
    assert outcome.error["code"] == "postprocessing_failed"
    assert not outcome.named("file")


@pytest.mark.parametrize("choices", [{"audio_only": True}, {"video_format": "mkv", "embed_thumbnail": True}])
def test_an_ffmpeg_with_ffprobe_beside_it_works_too(
    run: Run, site: tuple[Path, str], media_dir: Path, choices: dict[str, Any]
) -> None:
    directory, address = site
    for name in ("movie.mkv", "image.jpg"):
        (directory / name).write_bytes((media_dir / name).read_bytes())
    (directory / "page.html").write_text(
        f'<meta property="og:video" content="{address}/movie.mkv">'
        f'<meta property="og:image" content="{address}/image.jpg"><html>'
    )
    found = shutil.which("ffmpeg")
    if not found:
        pytest.skip("there is only the wheel's ffmpeg here")
    outcome = run("/page.html", ffmpeg_location=found, **choices)
    assert outcome.main["path"] in {"media.mp3", "media.mkv"}


def test_without_ffmpeg_it_says_what_is_missing(run: Run, site: tuple[Path, str], media_dir: Path) -> None:
    directory, _ = site
    (directory / "movie.webm").write_bytes((media_dir / "video.webm").read_bytes())
    outcome = run("/movie.webm", ffmpeg_location="/nowhere/ffmpeg", audio_only=True)
    assert outcome.error["code"] == "missing_dependency"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_subtitle_that_nothing_can_read_costs_only_itself(
    run: Run, site: tuple[Path, str], media_dir: Path, container: str
) -> None:
    directory, _ = site
    (directory / "clip.mp4").write_bytes((media_dir / "clip.mp4").read_bytes())
    (directory / "en.vtt").write_text("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nGood morning.\n")
    (directory / "de.vtt").write_bytes(b"nonsense \xff\xfe that is no subtitle " * 40)
    tracks = "".join(f'<track kind="subtitles" srclang="{code}" src="{code}.vtt">' for code in ("en", "de"))
    (directory / "page.html").write_text(f'<html><video><source src="clip.mp4">{tracks}</video></html>')
    outcome = run(
        "/page.html",
        download_subtitles=True,
        embed_subtitles=True,
        subtitle_languages=("en", "de"),
        video_format=container,
    )
    assert "The subtitle de is left out" in outcome.log
    assert [file["language"] for file in outcome.files if file["kind"] == "subtitle"] == ["en"]
    words = subprocess.run([FFMPEG, "-i", outcome.main_path], capture_output=True, text=True, check=False).stderr
    assert words.count("Subtitle:") == 1
    assert not [path for path in outcome.work.rglob("*") if ".de." in path.name]


@pytest.mark.parametrize("text", ["<tt>no end", "<tt xmlns='http://www.w3.org/ns/ttml'><body/></tt>"])
def test_a_subtitle_of_broken_xml_costs_only_itself(
    run: Run, site: tuple[Path, str], media_dir: Path, text: str
) -> None:
    directory, _ = site
    (directory / "clip.mp4").write_bytes((media_dir / "clip.mp4").read_bytes())
    (directory / "de.ttml").write_text(text)
    (directory / "page.html").write_text(
        '<html><video><source src="clip.mp4"><track kind="subtitles" srclang="de" src="de.ttml"></video></html>'
    )
    outcome = run("/page.html", download_subtitles=True, subtitle_languages=("de",))
    assert "The subtitle de is left out: it cannot be read" in outcome.log
    assert [file["kind"] for file in outcome.files] == ["media"]


def test_a_fragment_that_the_guard_refuses_is_asked_for_once(run: Run, site: tuple[Path, str]) -> None:
    directory, address = site
    (directory / "x.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.2/secret.ts\n#EXT-X-ENDLIST\n"
    )
    with guard_process(EGRESS_ALLOW=address.removeprefix("http://")) as guard:
        outcome = run("/x.m3u8", proxy_url=f"http://127.0.0.1:{guard.port}")
        assert outcome.error["code"] == "url_blocked"
        assert wait_until(lambda: guard.directory.joinpath("stats").exists() and guard.stats["denied"] != {})
        assert guard.stats["denied"] == {"loopback": 1}


@pytest.mark.parametrize("key", ["METHOD=AES-128", 'METHOD=AES-128,URI="key",IV=0xZZ', 'METHOD=AES-128,URI="//["'])
def test_a_playlist_with_a_broken_key_is_told_as_the_sites_fault(run: Run, site: tuple[Path, str], key: str) -> None:
    directory, _ = site
    (directory / "key").write_bytes(bytes(16))
    (directory / "s.ts").write_bytes(bytes(188 * 50))
    (directory / "x.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:{key}\n#EXTINF:1,\ns.ts\n#EXT-X-ENDLIST\n"
    )
    assert run("/x.m3u8").error["code"] == "extractor_error"


@pytest.mark.parametrize("address", [r"http:\\site.test\x.mp4", r"\x", "http://[::1/x.mp4"])
def test_a_page_with_an_impossible_address_is_told_as_the_sites_fault(
    run: Run, site: tuple[Path, str], address: str
) -> None:
    directory, _ = site
    (directory / "page.html").write_text(f'<html><meta property="og:video" content="{address}"></html>')
    assert run("/page.html").error["code"] in {"extractor_error", "unsupported_url"}
