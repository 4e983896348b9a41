"""What the admin's lists have in common: nothing is edited, and a table of a million rows is answered at once.

Lists are read from the newest on, by the primary key. What no index answers (a part of a text, a rare kind) is looked
for in the newest WINDOW rows alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import User
from downloads.models import Job
from downloads.web.words import name_of, shorten

COUNTED_ROWS = 10_000
WINDOW = 50_000
NEWEST = f"among the newest {WINDOW:,}"
NAME_SHOWN = 60
# Parameters of a list that choose no rows.
PLAIN_PARAMETERS = frozenset({"o", "p", "all", "_facets", "e", "_changelist_filters"})


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # no subscript at run time
    """Counts to COUNTED_ROWS at most: nobody pages further, and a table may have millions of rows."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # change lists have nothing else
        # In its order, so that the index is used that the rows themselves are read by.
        return rows.values("pk")[:COUNTED_ROWS].count()


class SteadyList(ChangeList):
    """Ordered by what is sortable alone, also when an address asks for more."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    paginator = CappedPaginator
    show_full_result_count = False
    # Each count would be one of a whole table.
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    ordering = ("-pk",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    # Of the address, those that an index answers over the whole table.
    indexed_parameters: ClassVar[frozenset[str]] = frozenset()

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[ChangeList]:  # noqa: ARG002 - Django's signature
        return SteadyList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        match = request.resolver_match
        if match is None or not (match.url_name or "").endswith("_changelist"):
            return rows
        chosen = {name.partition("__")[0] for name in request.GET.keys() - PLAIN_PARAMETERS - {"q"}}
        return self.newest(rows) if chosen and chosen.isdisjoint(self.indexed_parameters) else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if search_term.strip():
            exact = self.exactly(queryset, search_term.strip())
            if exact is not None:
                return exact, False
            queryset = self.newest(queryset)
        return super().get_search_results(request, queryset, search_term)

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:  # noqa: ARG002 - for those who can
        """Those that an index finds by the whole of `term`; None when it is no such term."""
        return None

    def newest(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        keys = self.model._default_manager.order_by("-pk").values_list("pk", flat=True)  # noqa: SLF001 - Django's own
        oldest = keys[WINDOW : WINDOW + 1].first()
        return rows if oldest is None else rows.filter(pk__gt=oldest)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


def chosen_from(field: str, values: Iterable[str]) -> type[admin.SimpleListFilter]:
    """A filter of known values: Django's own reads the whole table to know them."""

    class Known(admin.SimpleListFilter):
        title = field
        parameter_name = field

        def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
            return [(value, value) for value in values]

        def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            return queryset.filter(**{field: value}) if value else queryset

    return Known


def anchor(address: str, text: str) -> str:
    return format_html('<a href="{}">{}</a>', address, text)


def short_name(job: Job) -> str:
    return shorten(name_of(job), NAME_SHOWN)


def job_anchor(job: Job) -> str:
    return anchor(reverse("admin:downloads_job_change", args=[job.pk]), short_name(job))


def id_of(term: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(term)
    except ValueError:
        return None


def user_named(term: str) -> User | None:
    return User.objects.filter(username=term).first()
