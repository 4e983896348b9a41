"""What the admin's lists have in common: nothing is edited, and a table of a million rows is answered at once.

Lists are read from the newest on, by the primary key. What no index answers (a part of a text, a rare kind) is looked
for in the newest WINDOW rows alone. Behind the last row of either, a link goes on with older ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet, UUIDField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.text import format_lazy
from django.utils.translation import gettext

from accounts.models import User
from downloads.models import Job
from downloads.web.words import name_of, shorten

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

COUNTED_ROWS = 10_000
WINDOW = 20_000
ACTED_ON = 1_000
NAME_SHOWN = 60
# Parameters of a list that choose no rows, and the one that every table has an index for: where it begins.
PLAIN_PARAMETERS = frozenset({"o", "p", "q", "all", "_facets", "e", "_changelist_filters"})
BEGINS = "pk__lt"


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # no subscript at run time
    """Counts to COUNTED_ROWS at most: nobody pages further, and a table may have millions of rows."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]  # change lists have nothing else
        # In its order, so that the index is used that the rows themselves are read by.
        return rows.values("pk")[:COUNTED_ROWS].count()


class SteadyList(ChangeList):
    """Ordered by what is sortable alone, also when an address asks for more."""

    is_capped = False
    older_query = ""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.is_capped = self.result_count == COUNTED_ROWS
        self.result_list = list(self.result_list)
        edge = self.result_list[-1].pk if self.is_capped else getattr(request, "window_edge", None)
        if edge is not None and self._is_last_page() and self.queryset.query.order_by[0] in {"-pk", "-id"}:
            self.older_query = self.get_query_string({BEGINS: str(edge)})

    def _is_last_page(self) -> bool:
        has_one = not self.multi_page or (self.show_all and self.can_show_all)
        return has_one or self.page_num == self.paginator.num_pages


class LargeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no subscript at run time
    """Of a table that may have a million rows."""

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
        chosen = {name.partition("__")[0] for name in request.GET.keys() - PLAIN_PARAMETERS - {BEGINS}}
        return self.newest(request, rows) if chosen and chosen.isdisjoint(self.indexed_parameters) else rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if search_term.strip():
            exact = self.exactly(queryset, search_term.strip())
            if exact is not None:
                return exact, False
            queryset = self.newest(request, queryset)
        return super().get_search_results(request, queryset, search_term)

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:  # noqa: ARG002 - for those who can
        """Those that an index finds by the whole of `term`; None when it is no such term."""
        return None

    def newest(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Of `rows` those among WINDOW, from where the list begins; the list goes on behind them."""
        keys = self.model._default_manager.order_by("-pk").values_list("pk", flat=True)  # noqa: SLF001 - Django's own
        if (begins := self._begins(request)) is not None:
            keys = keys.filter(**{BEGINS: begins})
        last = keys[WINDOW - 1 : WINDOW].first()
        if last is None:
            return rows
        request.window_edge = last  # type: ignore[attr-defined]  # for the list that this request makes
        return rows.filter(pk__gte=last)

    def _begins(self, request: HttpRequest) -> Any:
        """None too for what is no key, which Django refuses."""
        try:
            return self.opts.pk.to_python(request.GET.get(BEGINS))
        except ValidationError:
            return None

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **named: Any
    ) -> HttpResponse | None:
        """On ACTED_ON rows at most, since the verbs are called for each: whoever chose more has done nothing."""
        if request.POST.get("select_across", "0") != "0" and queryset[: ACTED_ON + 1].count() > ACTED_ON:
            said = gettext(
                "Nothing was done: that is more than {count} at once. Narrow the list by a filter or a search."
            )
            self.message_user(request, said.format(count=ACTED_ON), messages.ERROR)
            return redirect(request.get_full_path())
        return super().response_action(request, queryset, *args, **named)


class ReadOnlyAdmin(LargeAdmin):
    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class OfOwnerAdmin(ReadOnlyAdmin):
    """Of rows that have an owner, and an index for that."""

    indexed_parameters = frozenset({"owner"})
    list_select_related: ClassVar[tuple[str, ...]] = ("owner",)

    def exactly(self, rows: QuerySet[Any], term: str) -> QuerySet[Any] | None:
        if (found := id_of(term)) and isinstance(self.opts.pk, UUIDField):
            return rows.filter(pk=found)
        owner = user_named(term)
        return rows.filter(owner=owner) if owner else None


class ReadOnlyInline(admin.TabularInline):  # type: ignore[type-arg]  # no subscript at run time
    template = "admin/read_only_inline.html"
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


def chosen_from(field: str, name: StrPromise, values: Iterable[str]) -> type[admin.SimpleListFilter]:
    """A filter of known values: Django's own reads the whole table to know them."""

    class Known(admin.SimpleListFilter):
        title = name
        parameter_name = field

        def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
            return [(value, value) for value in values]

        def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            return queryset.filter(**{field: value}) if value else queryset

    return Known


def among_newest(text: StrPromise, **counts: int) -> StrPromise:
    """What a search is told to find, with WINDOW in it as `newest`."""
    named = counts | {"newest": WINDOW}
    shown = lazy(number_format, str)
    return format_lazy(text, **{name: shown(count, force_grouping=True) for name, count in named.items()})


def tell(site: admin.ModelAdmin[Any], request: HttpRequest, done: str, accepted: int, refused: int) -> None:
    """What an action came to. `done`: marked, and in the admin's log as the source has it."""
    if accepted:
        said = gettext("{done}: {count}.").format(done=gettext(done), count=accepted)
        site.message_user(request, said, messages.SUCCESS)
    if refused:
        said = gettext("Refused, because of their state: {count}.").format(count=refused)
        site.message_user(request, said, messages.WARNING)


def anchor(address: str, text: str) -> str:
    return format_html('<a href="{}">{}</a>', address, text)


def list_anchor(table: str, query: str, text: str) -> str:
    """To the rows of a table that a query leaves, as `("downloads_job", "owner__id__exact=…", …)`."""
    return anchor(f"{reverse(f'admin:{table}_changelist')}?{query}", text)


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
