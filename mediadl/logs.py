"""How log lines look: structlog over the standard library's loggers, as JSON or for a terminal."""

from __future__ import annotations

import re
from typing import Any

import structlog

# Django names the path of every request that it refuses: a file's ends in a title, a link's is a secret.
_PERSONAL_PATH = re.compile(r"(/files/[0-9a-f-]{36}/|/sign-in/link/|(?<![\w/])/s/).+", re.DOTALL)


def logging_config(level: str, format_name: str) -> dict[str, Any]:
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_personal_paths,
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if format_name == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    renderer,
                ],
                "foreign_pre_chain": shared,
            },
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Their INFO lines name tasks and addresses, which is noise here and personal data there.
            "django-q": {"level": "WARNING"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "axes": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
        },
    }


def _without_personal_paths(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event["event"] = without_titles_and_secrets(str(event["event"]))
    return event


def without_titles_and_secrets(text: str) -> str:
    return _PERSONAL_PATH.sub(r"\1...", text)
