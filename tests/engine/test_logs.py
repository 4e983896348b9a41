from __future__ import annotations

from downloads.engine.logs import MAX_LINES, MAX_WARNINGS, JobLog


def a_log() -> tuple[JobLog, list[tuple[str, str]]]:
    lines: list[tuple[str, str]] = []
    return JobLog(lambda level, message: lines.append((level, message)), "/work"), lines


def test_keeps_levels_and_takes_out_secrets() -> None:
    job_log, lines = a_log()
    job_log.debug("[download] Destination: /work/media.mp4")
    job_log.debug("[debug] https://site.test/?key=1")
    job_log.info("hello")
    job_log.warning("WARNING: careful")
    job_log.error("ERROR: Cookie: a=b")
    assert lines == [
        ("info", "[download] Destination: media.mp4"),
        ("debug", "https://site.test/?…"),
        ("info", "hello"),
        ("warning", "WARNING: careful"),
        ("error", "ERROR: Cookie: …"),
    ]


def test_remembers_warnings_as_they_came() -> None:
    job_log, _ = a_log()
    for number in range(MAX_WARNINGS + 5):
        job_log.warning(f"https://site.test/?n={number}")
    assert job_log.warnings[0] == "https://site.test/?n=0"
    assert len(job_log.warnings) == MAX_WARNINGS


def test_leaves_out_empty_lines() -> None:
    job_log, lines = a_log()
    job_log.error("\n")
    assert not lines


def test_ends_before_a_chatty_site_fills_it() -> None:
    job_log, lines = a_log()
    for number in range(MAX_LINES + 100):
        job_log.info(str(number))
    assert len(lines) == MAX_LINES + 1
    assert lines[-1] == ("warning", f"The log ends here, after {MAX_LINES} lines")
