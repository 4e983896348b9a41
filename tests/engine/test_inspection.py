from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from downloads.engine.inspection import Role, complaint, inspect, is_transport_stream, kind_of
from downloads.engine.tools import find_ffmpeg

pytestmark = pytest.mark.promise("S5")

WRITTEN_BY_FFMPEG = (
    *(".avi", ".flv", ".mov", ".mpg", ".wmv"),
    *(".aac", ".ac3", ".aiff", ".au", ".caf", ".flac", ".ogg", ".opus", ".tta", ".wav", ".wv"),
)
TAG = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)  # its size is written seven bits to a byte


@pytest.mark.parametrize(
    "name",
    [
        "clip.mp4",
        "other.mp4",
        "audio.mp3",
        "audio.m4a",
        "video.webm",
        "movie.mkv",
        "hls/fmp4/init.mp4",
    ],
)
def test_real_media_are_media(media_dir: Path, name: str) -> None:
    assert inspect(media_dir / name) == "media"
    assert complaint(media_dir / name, "media") is None


def test_segments_of_streams_are_media(media_dir: Path) -> None:
    segments = [path for path in media_dir.rglob("*") if path.suffix in {".ts", ".m4s"} and "aes" not in path.parts]
    assert segments
    assert {inspect(path) for path in segments} == {"media"}


def test_what_ffmpeg_writes_is_media(media_dir: Path, tmp_path: Path) -> None:
    made = [tmp_path / f"a{suffix}" for suffix in WRITTEN_BY_FFMPEG]
    # WavPack takes no block as short as the first that an MP3 gives.
    first = ("-af", "asetnsamples=1024:p=0", "-t", "1", "-ar")
    outputs = [word for path in made for word in (*first, "48000" if path.suffix == ".opus" else "44100", str(path))]
    subprocess.run([find_ffmpeg() or "", "-v", "error", "-i", str(media_dir / "audio.mp3"), *outputs], check=True)
    assert {path.suffix: inspect(path) for path in made} == {path.suffix: "media" for path in made}


def test_real_images_are_images(media_dir: Path) -> None:
    assert complaint(media_dir / "image.jpg", "thumbnail") is None
    assert complaint(media_dir / "clip.mp4", "thumbnail") == "The thumbnail is really audio or video"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "playlist"),
        (b"\xef\xbb\xbf  \n#EXTM3U\n", "playlist"),
        ("#EXTM3U\n".encode("utf-16"), "playlist"),
        (b"[playlist]\nFile1=/etc/passwd\n", "playlist"),
        (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "playlist"),
        (b"<?xml version='1.0'?>\n<MPD xmlns='x'>", "playlist"),
        (b"<!-- a --><SmoothStreamingMedia>", "playlist"),
        (b"<smil><body/></smil>", "playlist"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "script"),
        (b"#!/bin/sh\nid\n", "script"),
        (b"<?php system('id');", "script"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'>", "drawing"),
        (b"<?xml version='1.0'?><!DOCTYPE svg PUBLIC 'x' 'y' [<!ENTITY a 'b'>]><svg>", "drawing"),
        (b"<!DOCTYPE html><title>x</title>", "page"),
        (b"  <HTML lang=en>", "page"),
        (b"<script>alert(1)</script>", "page"),
        (b"<html>" + "für".encode("latin-1"), "page"),
        (b"file '/etc/passwd'\n", "text"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n", "text"),
        (b'{"events": []}', "text"),
        (b"<?xml version='1.0'?><tt xmlns='http://www.w3.org/ns/ttml'/>", "text"),
        (("é" * 3000).encode()[:4096], "text"),
        (b"x" + ("é" * 3000).encode()[:4095], "text"),
        (b"\x7fELF\x02\x01", "program"),
        (b"MZ\x90\x00", "program"),
        (b"\xca\xfe\xba\xbe\x00", "program"),
        (b"FWS\x05", "program"),
        (b"PK\x03\x04", "archive"),
        (b"\x1f\x8b\x08", "archive"),
        (bytes(257) + b"ustar", "archive"),
        (b"%PDF-1.7", "document"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"GIF89a", "image"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image"),
        (b"\x00\x00\x00\x1cftypavif", "image"),
        (b"RIFF\x00\x00\x00\x00AVI LIST", "media"),
        (b"RIFF\x00\x00\x00\x00ACON\x00", "unknown"),
        (b"FORM\x00\x00\x00\x00AIFF", "media"),
        (b"FORM\x00\x00\x00\x00ILBM", "unknown"),
        (b"\x00\x00\x00\x08wide", "media"),
        (b"\xff\xfb\x90\x64", "media"),
        (b"\xff\xf1\x50\x80", "media"),
        (b"\xff\xeb\x00\x00", "unknown"),
        (b"G" + bytes(187) + b"G" + bytes(187), "media"),
        (bytes(4) + b"G" + bytes(191) + b"G" + bytes(187), "media"),
        (b"G" + bytes(400), "unknown"),
        (b"\x13\x37" + bytes(100), "unknown"),
        (bytes(range(1, 256)) * 4, "unknown"),
    ],
)  # fmt: skip
def test_tells_what_the_first_bytes_are(head: bytes, kind: str) -> None:
    assert kind_of(head) == kind


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (TAG + b"\xff\xfb\x90\x64" + bytes(50), "media"),
        (TAG + TAG + b"fLaC", "media"),
        (TAG + b"#EXTM3U\nfile:///etc/passwd\n", "playlist"),
        (TAG * 3 + b"<svg>", "drawing"),
        (TAG, "media"),
        (TAG + bytes(40), "media"),
        (TAG * 20 + b"#EXTM3U", "media"),
        (b"ID3", "text"),
    ],
)
def test_looks_behind_tags_as_ffmpeg_does(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(content)
    assert inspect(path) == kind


@pytest.mark.parametrize(
    ("role", "content", "words"),
    [
        ("media", b"<!doctype html>", "The media is really a web page"),
        ("media", b"#EXTM3U", "The media is really a playlist or manifest"),
        ("media", b"", "The media is really empty"),
        ("media", b"\x13\x37\x00", None),
        ("subtitle", b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", None),
        ("subtitle", b"<html>", "The subtitle is really a web page"),
        ("subtitle", b"\x7fELF", "The subtitle is really a program"),
        ("thumbnail", b"<svg>", "The thumbnail is really an SVG drawing"),
        ("thumbnail", b"\xff\xd8\xff\xe0", None),
        ("thumbnail", b"\x13\x37\x00", "The thumbnail is really of an unknown kind"),
    ],
)
def test_complains_when_a_file_is_not_what_it_is_said_to_be(
    tmp_path: Path, role: Role, content: bytes, words: str | None
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert complaint(path, role) == words


def test_knows_a_transport_stream(media_dir: Path) -> None:
    assert is_transport_stream(media_dir / "hls" / "plain" / "high-0.ts")
    assert not is_transport_stream(media_dir / "clip.mp4")
