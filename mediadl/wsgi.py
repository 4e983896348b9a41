"""Django's WSGI application: what the threads of mediadl.asgi run, and what any other WSGI server can."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mediadl.settings")

application = get_wsgi_application()
