"""Every name that is looked up only when it is needed can be looked up."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.utils.module_loading import import_string

from downloads import bell
from mediadl import urls

TEMPLATE_OPTIONS: dict[str, Any] = settings.TEMPLATES[0]["OPTIONS"]  # type: ignore[assignment]  # typed as object

# Settings that hold one dotted path.
SINGLE = (
    "AXES_CLIENT_IP_CALLABLE",
    "AXES_LOCKOUT_CALLABLE",
    "CSRF_FAILURE_VIEW",
    "EVENT_SOURCE",
    "FILE_SENT_CALLBACK",
    "QUIET_CALLBACK",
    "FORM_RENDERER",
)


def paths_of_the_api() -> list[str]:
    values = [*settings.REST_FRAMEWORK.values(), settings.SPECTACULAR_SETTINGS["POSTPROCESSING_HOOKS"]]
    return [path for value in values for path in (value if isinstance(value, list) else [value]) if is_dotted(path)]


def is_dotted(value: Any) -> bool:
    return isinstance(value, str) and value.count(".") > 0 and " " not in value


@pytest.mark.parametrize("path", bell.TASKS.values())
def test_a_wake_up_names_a_task(path: str) -> None:
    assert callable(import_string(path))


def test_every_queue_has_a_task_and_a_cluster() -> None:
    clusters = {settings.Q_CLUSTER["name"], *settings.Q_CLUSTER["ALT_CLUSTERS"]}
    assert {bell.cluster_of(queue) for queue in bell.TASKS} == clusters


@pytest.mark.parametrize("name", ["OrmBroker", "RedisBroker"])
def test_the_broker_can_be_loaded(name: str) -> None:
    package, _, _ = settings.Q_CLUSTER["broker_class"].rpartition(".")
    assert callable(import_string(f"{package}.{name}"))


@pytest.mark.parametrize("name", SINGLE)
def test_a_setting_names_something_that_can_be_called(name: str) -> None:
    assert callable(import_string(getattr(settings, name)))


@pytest.mark.parametrize(
    "path",
    [
        *settings.MIDDLEWARE,
        *settings.AUTHENTICATION_BACKENDS,
        *settings.PASSWORD_HASHERS,
        *TEMPLATE_OPTIONS["context_processors"],
        *paths_of_the_api(),
    ],
)
def test_a_list_of_settings_names_what_can_be_called(path: str) -> None:
    assert callable(import_string(path))


@pytest.mark.parametrize("path", TEMPLATE_OPTIONS["builtins"])
def test_a_template_library_is_one(path: str) -> None:
    assert importlib.import_module(path).register


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_every_error_has_a_page(status: int) -> None:
    assert callable(import_string(getattr(urls, f"handler{status}")))


@pytest.mark.parametrize("model", ["Schedule", "Success", "Failure", "OrmQ"])
def test_no_queue_row_can_be_edited_in_the_admin(model: str) -> None:
    """A schedule's row names a function and its arguments: whoever may write one can run code."""
    assert not admin.site.is_registered(import_string(f"django_q.models.{model}"))
