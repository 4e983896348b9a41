"""Django's settings, and the only reader of the environment.

Every variable is listed in docs/configuration.md and .env.example; a test keeps the three equal.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import validate

from mediadl import cors
from mediadl.bootstrap import (
    DEVELOPMENT_HOSTS,
    Environment,
    load_cookie_keys,
    load_keys,
    load_secret_key,
    require_mount,
)
from mediadl.content_policy import content_policy
from mediadl.logs import logging_config
from mediadl.openapi import SPECTACULAR_SETTINGS  # noqa: F401 - a setting

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
env.read_env(str(BASE_DIR / ".env"), recurse=False)


def positive(value: float) -> None:
    validate.Range(min=0, min_inclusive=False)(value)


# --- Where things are -------------------------------------------------------------------------------------------
DATA_DIR = Path(
    env.str("DATA_DIR", "")
    or env.str("STORAGE_DIR", "")
    or env.str("RAILWAY_VOLUME_MOUNT_PATH", "")
    or str(BASE_DIR / "data")
).resolve()
REQUIRE_MOUNT = require_mount(env.str("REQUIRE_MOUNT", ""))
FILES_ROOT = DATA_DIR / "files"
WORK_ROOT = DATA_DIR / "work"
RUN_ROOT = DATA_DIR / "run"

DEBUG = env.bool("DEBUG", default=False)
TESTING = env.bool("MEDIADL_TESTING", default=False)
CRASH_POINTS = env.str("MEDIADL_CRASH_AT", "")
SECRET_KEY = load_secret_key(env.str("SECRET_KEY", ""), DATA_DIR, debug=DEBUG, is_alone=not env.str("DATABASE_URL", ""))
LINK_KEYS = load_keys("LINK_KEYS", env.list("LINK_KEYS", []), DATA_DIR / "link_key")
WEBHOOK_KEYS = load_keys("WEBHOOK_KEYS", env.list("WEBHOOK_KEYS", []), DATA_DIR / "webhook_key")
# The first encrypts stored cookies, all decrypt; never SECRET_KEY, which leaves through whatever it signs.
COOKIE_KEYS = load_cookie_keys(env.list("COOKIE_KEYS", []), DATA_DIR)

# --- Addresses --------------------------------------------------------------------------------------------------
HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8080)
PUBLIC_BASE_URL = (
    env.str("PUBLIC_BASE_URL", "")
    or (f"https://{domain}" if (domain := str(env.str("RAILWAY_PUBLIC_DOMAIN", ""))) else "")
    or f"http://127.0.0.1:{PORT}"
).rstrip("/")
_public = urlsplit(PUBLIC_BASE_URL)
IS_HTTPS = _public.scheme == "https"
ALLOWED_HOSTS = sorted({_public.hostname or "127.0.0.1", *DEVELOPMENT_HOSTS, *env.list("ALLOWED_HOSTS", [])})
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
PROXY_COUNT = env.int("PROXY_COUNT", 0, validate=validate.Range(min=0, max=10))
TRUSTED_PROXY_HEADER = "X-Real-IP" if env.str("RAILWAY_PUBLIC_DOMAIN", "") else ""
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ORIGINS", [])
CORS_ALLOW_HEADERS, CORS_EXPOSE_HEADERS = cors.ALLOWED, cors.EXPOSED
CORS_URLS_REGEX = r"^/api/"
WEB_WORKERS = env.int("WEB_WORKERS", 1, validate=positive)
# Several web processes add their metrics up in files; prometheus-client asks the environment where they are.
METRICS_DIR = env.str("PROMETHEUS_MULTIPROC_DIR", "") or (str(RUN_ROOT / "metrics") if WEB_WORKERS > 1 else "")
if METRICS_DIR:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_DIR
    Path(METRICS_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
WSGI_THREADS = env.int("WSGI_THREADS", 8, validate=positive)

# --- What is allowed --------------------------------------------------------------------------------------------
API_KEY = env.str("API_KEY", "")
REQUIRE_API_KEY = env.bool("REQUIRE_API_KEY", default=True)
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
SIGN_IN_LINK_HOURS = 24
RATE_LIMIT_PER_MINUTE = env.int("RATE_LIMIT_PER_MINUTE", 60, validate=positive)
RATE_LIMIT_PER_HOUR = env.int("RATE_LIMIT_PER_HOUR", 1000, validate=positive)
MAX_JOBS_PER_OWNER = env.int("MAX_JOBS_PER_OWNER", 0, validate=validate.Range(min=0))
MAX_JOBS_PER_HOST = env.int("MAX_JOBS_PER_HOST", 0, validate=validate.Range(min=0))
MAX_QUEUED_PER_OWNER = env.int("MAX_QUEUED_PER_OWNER", 10_000, validate=validate.Range(min=0))
MAX_JOBS_PER_DAY = env.int("MAX_JOBS_PER_DAY", 0, validate=validate.Range(min=0))
MAX_BYTES_PER_DAY = env.int("MAX_BYTES_PER_DAY", 0, validate=validate.Range(min=0))
MAX_STORED_BYTES_PER_OWNER = env.int("MAX_STORED_BYTES_PER_OWNER", 0, validate=validate.Range(min=0))
MAX_STREAMS_PER_OWNER = env.int("MAX_STREAMS_PER_OWNER", 16, validate=positive)
ALLOWED_DOMAINS: list[str] = env.str("ALLOWED_DOMAINS", "").lower().replace(",", " ").split()
BLOCKED_DOMAINS: list[str] = env.str("BLOCKED_DOMAINS", "").lower().replace(",", " ").split()
EGRESS_ALLOW = env.str("EGRESS_ALLOW", "")
EGRESS_PORTS = env.str("EGRESS_PORTS", "80,443,8080,8443")
REQUIRE_SANDBOX = env.bool("REQUIRE_SANDBOX", default=False)

# --- Work -------------------------------------------------------------------------------------------------------
WORKERS = env.int("WORKERS", 4, validate=positive)
PROBE_WORKERS = env.int("PROBE_WORKERS", 2, validate=positive)
PROBE_WAIT_SECONDS = env.int("PROBE_WAIT_SECONDS", 20, validate=validate.Range(min=0, max=60))
DOWNLOAD_REUSE_SECONDS = env.int("DOWNLOAD_REUSE_SECONDS", 300, validate=validate.Range(min=0))
PROBE_CACHE_SECONDS = env.int("PROBE_CACHE_SECONDS", 300, validate=validate.Range(min=10))
PROBE_TIMEOUT_SEC = env.int("PROBE_TIMEOUT_SEC", 60, validate=validate.Range(min=1, max=600))
DRAIN_SECONDS = env.int("DRAIN_SECONDS", 25, validate=positive)
NODE_NAME = env.str("NODE_NAME", "") or os.uname().nodename
DEFAULT_TIMEOUT_SEC = env.int("DEFAULT_TIMEOUT_SEC", 1800, validate=validate.Range(min=60, max=7200))
PROGRESS_TIMEOUT_SEC = env.int("PROGRESS_TIMEOUT_SEC", 300, validate=positive)
MIN_SPEED_BYTES = env.int("MIN_SPEED_BYTES", 0, validate=validate.Range(min=0))
MAX_FILE_SIZE_BYTES = env.int("MAX_FILE_SIZE_BYTES", 10 * 1024**3, validate=positive)
MAX_PLAYLIST_ITEMS = env.int("MAX_PLAYLIST_ITEMS", 1000, validate=positive)
MEMORY_LIMIT_BYTES = env.int("MEMORY_LIMIT_BYTES", 4 * 1024**3, validate=positive)
FFMPEG_LOCATION = env.str("FFMPEG_LOCATION", "")

# --- Keeping and deleting ---------------------------------------------------------------------------------------
FILE_RETENTION_HOURS = env.float("FILE_RETENTION_HOURS", 1.0, validate=positive)
JOB_RETENTION_DAYS = env.float("JOB_RETENTION_DAYS", 30.0, validate=positive)
STORAGE_QUOTA_BYTES = env.int("STORAGE_QUOTA_BYTES", 0, validate=validate.Range(min=0))
STORAGE_RESERVE_BYTES = env.int("STORAGE_RESERVE_BYTES", 256 * 1024**2, validate=validate.Range(min=0))

# --- Webhooks ---------------------------------------------------------------------------------------------------
WEBHOOK_TIMEOUT_SEC = env.int("WEBHOOK_TIMEOUT_SEC", 10, validate=validate.Range(min=1, max=60))
WEBHOOK_MAX_RETRIES = env.int("WEBHOOK_MAX_RETRIES", 9, validate=validate.Range(min=0, max=30))
WEBHOOK_RETENTION_DAYS = env.float("WEBHOOK_RETENTION_DAYS", 7.0, validate=positive)
MAX_WEBHOOKS_PER_OWNER = env.int("MAX_WEBHOOKS_PER_OWNER", 20, validate=positive)

# --- Finished files in a bucket instead of DATA_DIR -------------------------------------------------------------
S3_BUCKET = env.str("S3_BUCKET", "")
S3_PREFIX = env.str("S3_PREFIX", "files/")
S3_ENDPOINT_URL = env.str("S3_ENDPOINT_URL", "")
S3_PUBLIC_ENDPOINT_URL = env.str("S3_PUBLIC_ENDPOINT_URL", "") or S3_ENDPOINT_URL
S3_REGION = env.str("S3_REGION", "us-east-1")
S3_ACCESS_KEY_ID = env.str("S3_ACCESS_KEY_ID", "")
S3_SECRET_ACCESS_KEY = env.str("S3_SECRET_ACCESS_KEY", "")
S3_ADDRESSING_STYLE = env.str("S3_ADDRESSING_STYLE", "auto", validate=validate.OneOf(["auto", "path", "virtual"]))

# Engine processes reach these through the environment that `manage.py up` gives its children.
GUARD_URL = env.str("GUARD_URL", "")
ENGINE_SOCKET = Path(env.str("ENGINE_SOCKET", "") or RUN_ROOT / "engine.sock")

# --- Django -----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.forms",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
    "corsheaders",
    "csp",
    "django_htmx",
    "django_q",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "accounts",
    "downloads",
    "webhooks",
]

MIDDLEWARE = [
    "mediadl.middleware.RequestIdMiddleware",
    "downloads.metrics.RequestMetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "mediadl.middleware.SecurityHeadersMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "mediadl.middleware.ContentPolicyMiddleware",
    "mediadl.middleware.LanguageMiddleware",
    "mediadl.middleware.DatabaseAwayMiddleware",
    "mediadl.middleware.MethodRefusedMiddleware",
    "mediadl.middleware.NulRefusedMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.middleware.RateLimitHeadersMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "mediadl.urls"
WSGI_APPLICATION = "mediadl.wsgi.application"
ASGI_APPLICATION = "mediadl.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "downloads.web.context.product",
            ],
            "builtins": ["django.templatetags.i18n", "downloads.web.tags"],
        },
    },
]
# Fields are drawn by templates/django/forms, on our pages; the admin has its own.
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Database ---------------------------------------------------------------------------------------------------
# IMMEDIATE is the switch that matters: WAL alone still answers "database is locked" when two transactions that
# began as readers both want to write.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728; "
        "PRAGMA journal_size_limit=27103364; PRAGMA cache_size=2000;"
    ),
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.dj_db_url("DATABASE_URL", f"sqlite:///{DATA_DIR / 'mediadl.sqlite3'}"),
}
IS_SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
DATABASES["default"] |= {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False}
if IS_SQLITE:
    DATABASES["default"]["OPTIONS"] = {**DATABASES["default"].get("OPTIONS", {}), **SQLITE_OPTIONS}
    DATABASES["default"]["TEST"] = {"NAME": Path(tempfile.gettempdir()) / f"mediadl-test-{os.getpid()}.sqlite3"}
else:
    DATABASES["default"]["OPTIONS"] = {"connect_timeout": 3, **DATABASES["default"].get("OPTIONS", {})}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Cache and queue --------------------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", "")
CACHES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    ),
}
SILENCED_SYSTEM_CHECKS = [
    # The owner of the domain decides for its other hosts, and for the browsers' preload list.
    "security.W005",
    "security.W021",
    # Forms are limited through the exact bucket in the database; django-ratelimit only acts where the cache is Redis.
    "django_ratelimit.E003",
    "django_ratelimit.W001",
]

# django-q2 is a bell and a process pool, never the record: docs/adr/0001.
Q_CLUSTER: dict[str, Any] = {
    "name": "control",
    "broker_class": "downloads.broker.RedisBroker" if REDIS_URL else "downloads.broker.OrmBroker",
    "orm": "default",
    "redis": REDIS_URL,
    "cache": "default",
    # One may be sending webhooks, and another sweeps.
    "workers": 2,
    "queue_limit": 1,
    "timeout": 60,
    "retry": 90,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "recycle": 500,
    "poll": 1.0 if IS_SQLITE else 0.5,
    "bulk": 1,
    "catch_up": False,
    "scheduler": False,
    "guard_cycle": 1.0,
    "log_level": "WARNING",
    "daemonize_workers": True,
    "ALT_CLUSTERS": {
        "download": {"workers": WORKERS, "queue_limit": 1},
        "probe": {"workers": PROBE_WORKERS, "queue_limit": 1},
    },
}

# --- Accounts ---------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("Argon2", "PBKDF2")]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
# A wrong password locks only this name from this address, so that nobody can lock the owner out from elsewhere.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = False
AXES_CLIENT_IP_CALLABLE = "accounts.addresses.client_ip"
AXES_LOCKOUT_CALLABLE = "accounts.views.locked_out"
AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True

# --- Security ---------------------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = content_policy(S3_BUCKET, S3_PUBLIC_ENDPOINT_URL, S3_REGION)
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = IS_HTTPS
# Asked by machines beside this one, which speak plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^api/v1/health(/live|/ready)?$", r"^(api/v1/)?metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
CSRF_FAILURE_VIEW = "downloads.web.errors.csrf_failure"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 300
# Only cookies are ever uploaded, and these must not lie on the disk as they are.
FILE_UPLOAD_HANDLERS = ["downloads.uploads.MemoryUploadHandler"]

# --- API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "accounts.authentication.SessionAuthentication",
        "accounts.authentication.AnonymousPrincipalAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.limits.ReadThrottle", "accounts.limits.SubmitThrottle"],
    "DEFAULT_PARSER_CLASSES": ["downloads.api.strict.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "downloads.api.schema.Schema",
    "EXCEPTION_HANDLER": "downloads.api.problem.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_METADATA_CLASS": "downloads.api.negotiation.AllowedMethods",
    "URL_FORMAT_OVERRIDE": None,
    "NUM_PROXIES": PROXY_COUNT,
}

# --- Layers over WSGI (mediadl/asgi) ----------------------------------------------------------------------------
EVENT_SOURCE = "downloads.events.Source"
FILE_SENT_CALLBACK = "downloads.files.sent"
QUIET_CALLBACK = "downloads.bell.release"
X_ACCEL_PASSTHROUGH = env.bool("X_ACCEL_PASSTHROUGH", default=False)

# --- Everything else --------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG or TESTING
            else "mediadl.static.StaticStorage"
        ),
    },
}
WHITENOISE_USE_FINDERS = DEBUG or TESTING
# Without it each test client would list all static files anew.
WHITENOISE_AUTOREFRESH = DEBUG or TESTING
WHITENOISE_MANIFEST_STRICT = False
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# Source maps take longer to compress than all the rest.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ("map", "jpg", "jpeg", "png", "gif", "webp", "gz", "br", "woff", "woff2", "mp4")

# English is what programs read; docs/development.md says how to add a language.
LANGUAGE_CODE, LANGUAGES, TIME_ZONE = "en", [("de", "Deutsch"), ("en", "English")], "UTC"
LOCALE_PATHS, FORMAT_MODULE_PATH = [BASE_DIR / "locale"], ["mediadl.formats"]
LANGUAGE_COOKIE_NAME, LANGUAGE_COOKIE_AGE = "language", 60 * 60 * 24 * 365

LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
LOG_FORMAT = env.str("LOG_FORMAT", "console", validate=validate.OneOf(["console", "json"]))
LOGGING, ACCESS_LOG = logging_config(LOG_LEVEL, LOG_FORMAT), env.bool("ACCESS_LOG", True)
if SENTRY_DSN := env.str("SENTRY_DSN", ""):
    from mediadl.reports import report_errors  # loaded where it is wanted: it costs every process 10 MB

    report_errors(SENTRY_DSN, server_name=NODE_NAME)
VARIABLES = sorted(env.dump())
