#!/usr/bin/env python
"""Django's command line for mediadl."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediadl.settings")
    from django import setup
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import call_command, execute_from_command_line

    try:
        if sys.argv[1:] in (["version"], ["--version"]):  # Django would answer both with its own
            setup()
            call_command("version")
        else:
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as failure:  # says itself what to do
        sys.exit(f"mediadl: {failure}")


if __name__ == "__main__":
    main()
