"""The command line: `mediadl get URL`, `mediadl list`, `mediadl cancel ID`, … Ends with 0, or 1 and what went wrong.

The server is MEDIADL_URL or --server; the key is MEDIADL_API_KEY or in the file of --key-file. It is no argument,
since everybody on a machine can read those.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mediadl.client import Client, completed
from mediadl.display import DownloadDisplay, batch_line, plain, title_of
from mediadl.errors import DownloadFailedError, MediadlError

FAILED, INTERRUPTED = 1, 130
FORMAT_KINDS = ("combined", "video_only", "audio_only")
FORMAT_COLUMNS = ("format_id", "ext", "resolution", "codecs", "tbr", "format_note")
Run = Callable[[Client, argparse.Namespace], int | None]
out, err = Console(highlight=False), Console(stderr=True, highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parser().parse_args(arguments)
    try:
        with client_of(chosen) as client:
            status: int = chosen.run(client, chosen) or 0
            return status
    except MediadlError as error:
        err.print(f"mediadl: {error}", style="red", markup=False)
        return FAILED
    except OSError as error:
        err.print(f"mediadl: {error.filename or ''}: {error.strerror or error}", style="red", markup=False)
        return FAILED
    except KeyboardInterrupt:
        err.print("mediadl: interrupted; the server goes on", style="yellow")
        return INTERRUPTED


def client_of(chosen: argparse.Namespace) -> Client:
    server = chosen.server or os.environ.get("MEDIADL_URL")
    if not server:
        raise MediadlError("say which server: --server, or MEDIADL_URL in the environment")
    key = chosen.key_file.read_text().strip() if chosen.key_file else os.environ.get("MEDIADL_API_KEY")
    return Client(server, key)


# --- What is offered ----------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="mediadl", description="Download media by a mediadl server.")
    whole.add_argument("--server", metavar="URL", help="its address; MEDIADL_URL by default")
    whole.add_argument("--key-file", type=Path, metavar="FILE", help="a file with the key; MEDIADL_API_KEY by default")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[Client, argparse.Namespace], int | None], said: str
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=said, description=said)
        made.set_defaults(run=run)
        return made

    for name, run, said in (("get", get, "download URLs to this machine"), ("submit", submit, "only put them in line")):
        made = command(name, run, said)
        made.add_argument("urls", nargs="+", metavar="URL")
        _add_options(made)
        if name == "get":
            made.add_argument("-d", "--directory", type=Path, default=Path(), help="where to; here by default")
            made.add_argument("--all", action="store_true", help="subtitles, thumbnails and the rest, too")
    listing = command("list", list_, "list downloads, newest first")
    listing.add_argument("--status", help="queued, running, paused, completed, failed, cancelled; joined by commas")
    listing.add_argument("-q", metavar="TEXT", help="part of the title or URL")
    listing.add_argument("-n", "--limit", type=int, default=20)
    listing.add_argument("--json", action="store_true", help="one object a line")
    fetching = command("fetch", fetch, "fetch the files of a download that has completed")
    fetching.add_argument("request_id", metavar="ID")
    fetching.add_argument("-d", "--directory", type=Path, default=Path())
    fetching.add_argument("--all", action="store_true")
    for name, run, said in (
        ("show", show, "show a download as the API has it"),
        ("wait", wait, "follow a download until it ends"),
        ("cancel", cancel, "cancel downloads"),
        ("delete", delete, "delete downloads with their files"),
        ("retry", retry, "try failed downloads again"),
        ("keep", keep, "keep the files for good"),
        ("logs", logs, "read a download's log"),
    ):
        command(name, run, said).add_argument("ids", nargs="+", metavar="ID")
    for name, run, said in (
        ("formats", formats, "list what a page offers"),
        ("playlist", playlist, "list the entries of a playlist"),
    ):
        command(name, run, said).add_argument("url", metavar="URL")
    batch = command("batch", batch_, "download a playlist, or URLs of a file, on the server")
    batch.add_argument("source", metavar="URL|FILE", help="- is standard input")
    batch.add_argument("--items", help="of a playlist: 1-10,15")
    _add_options(batch)
    sharing = command("share", share, "make a link to a download's file")
    sharing.add_argument("request_id", metavar="ID")
    sharing.add_argument("--hours", type=float)
    sharing.add_argument("--downloads", type=int)
    command("me", me, "show who you are to the server")
    return whole


def _add_options(made: argparse.ArgumentParser) -> None:
    made.add_argument("--quality", help="best, 2160p, 1440p, 1080p, 720p, 480p, 360p, audio")
    made.add_argument("--audio", action="store_true", help="only the sound")
    made.add_argument("--subtitles", metavar="LANGUAGES", help="en,de")
    made.add_argument(
        "-o", "--option", action="append", default=[], metavar="NAME=VALUE", help="any other of the API, value as JSON"
    )


def options_of(chosen: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if chosen.quality:
        options["quality"] = chosen.quality
    if chosen.audio:
        options["audio_only"] = True
    if chosen.subtitles:
        options |= {"download_subtitles": True, "subtitle_languages": chosen.subtitles.split(",")}
    for given in chosen.option:
        name, equals, text = given.partition("=")
        if not equals:
            raise MediadlError(f"{given}: write it as NAME=VALUE")
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options


# --- Commands -----------------------------------------------------------------------------------------------------


def get(client: Client, chosen: argparse.Namespace) -> int:
    """All are put in line first, so that the server works on them while the first is fetched."""
    options = options_of(chosen)
    jobs = [client.submit(url, **options) for url in chosen.urls]
    statuses = [_bring(client, job.request_id, chosen.directory, takes_all=chosen.all) for job in jobs]
    return max(statuses)


def _bring(client: Client, request_id: str, directory: Path, *, takes_all: bool) -> int:
    with DownloadDisplay(err) as display:
        try:
            job = completed(client.wait(request_id, on_update=display.update))
        except DownloadFailedError as error:
            err.print(f"mediadl: {error}", style="red", markup=False)
            return FAILED
        files = [file for file in job.files if file.file_url] if takes_all else [job.main_file or job]
        paths = [client.fetch(file, directory=directory, on_progress=display.fetched) for file in files]
    for path in paths:
        out.print(str(path), markup=False, soft_wrap=True)
    return 0


def submit(client: Client, chosen: argparse.Namespace) -> None:
    for url in chosen.urls:
        out.print(client.submit(url, **options_of(chosen)).request_id)


def fetch(client: Client, chosen: argparse.Namespace) -> int:
    return _bring(client, chosen.request_id, chosen.directory, takes_all=chosen.all)


def list_(client: Client, chosen: argparse.Namespace) -> None:
    rows = client.downloads(status=chosen.status, q=chosen.q, limit=min(max(chosen.limit, 1), 100))
    shown = [job for job, _ in zip(rows, range(chosen.limit), strict=False)]
    if chosen.json:
        for job in shown:
            out.print_json(json.dumps(dict(job.raw)), indent=None)
        return
    show_table(
        ("id", "status", "%", "title"),
        [(job.request_id, job.status, f"{job.progress_percent:.0f}", title_of(job)) for job in shown],
    )


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """For people a table; for programs lines with tabs, whole and without a head."""
    if not out.is_terminal:
        for row in rows:
            out.print("\t".join(row), markup=False, soft_wrap=True)
        return
    table = Table(box=None)
    for column in columns:
        table.add_column(column, no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*map(Text, row))
    out.print(table)


def show(client: Client, chosen: argparse.Namespace) -> None:
    for request_id in chosen.ids:
        out.print_json(json.dumps(dict(client.download(request_id).raw)))


def wait(client: Client, chosen: argparse.Namespace) -> int:
    status = 0
    for request_id in chosen.ids:
        with DownloadDisplay(err) as display:
            job = client.wait(request_id, on_update=display.update)
        out.print(f"{job.request_id} {job.status}")
        status = max(status, 0 if job.status == "completed" else FAILED)
    return status


def cancel(client: Client, chosen: argparse.Namespace) -> None:
    for request_id in chosen.ids:
        client.cancel(request_id)


def delete(client: Client, chosen: argparse.Namespace) -> None:
    for request_id in chosen.ids:
        client.delete(request_id)


def retry(client: Client, chosen: argparse.Namespace) -> None:
    for request_id in chosen.ids:
        client.retry(request_id)


def keep(client: Client, chosen: argparse.Namespace) -> None:
    for request_id in chosen.ids:
        client.keep(request_id)


def logs(client: Client, chosen: argparse.Namespace) -> None:
    for request_id in chosen.ids:
        for line in client.logs(request_id):
            out.print(f"{line.timestamp} {line.level:7} {plain(line.message)}", markup=False, soft_wrap=True)


def formats(client: Client, chosen: argparse.Namespace) -> None:
    found = client.formats(chosen.url)
    rows = []
    for entry in (entry for kind in FORMAT_KINDS for entry in found["formats"][kind]):
        codecs = " ".join(str(entry[name]) for name in ("vcodec", "acodec") if entry.get(name))
        rows.append([plain(str((entry | {"codecs": codecs}).get(name) or "")) for name in FORMAT_COLUMNS])
    show_table(FORMAT_COLUMNS, rows)


def playlist(client: Client, chosen: argparse.Namespace) -> None:
    page = 1
    while True:
        found = client.playlist(chosen.url, page=page)
        for entry in found["videos"]:
            out.print(
                f"{entry['playlist_index']:>5}  {plain(entry['title'] or entry['url'])}", markup=False, soft_wrap=True
            )
        if not found["has_next"]:
            return
        page += 1


def batch_(client: Client, chosen: argparse.Namespace) -> int:
    options = options_of(chosen)
    if "://" in chosen.source:
        made = client.submit_playlist(chosen.source, **options | ({"items": chosen.items} if chosen.items else {}))
    else:
        text = sys.stdin.read() if chosen.source == "-" else Path(chosen.source).read_text()
        made = client.submit_batch(text.split(), **options)
    with err.status("") as status:
        ended = client.wait_batch(made.batch_id, on_update=lambda batch: status.update(batch_line(batch)))
    out.print(f"{ended.batch_id} {batch_line(ended)}", markup=False)
    return FAILED if ended.failed or ended.cancelled else 0


def share(client: Client, chosen: argparse.Namespace) -> None:
    file = completed(client.download(chosen.request_id)).main_file
    if file is None:
        raise MediadlError("the files are deleted")
    seconds = None if chosen.hours is None else int(chosen.hours * 3600)
    link = client.share(file, expires_in_sec=seconds, max_downloads=chosen.downloads)
    out.print(link.url, markup=False, soft_wrap=True)


def me(client: Client, _: argparse.Namespace) -> None:
    out.print_json(json.dumps(client.me()))


if __name__ == "__main__":
    sys.exit(main())
