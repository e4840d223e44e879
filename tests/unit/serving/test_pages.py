"""Every list of the API and of the registry comes in pages. A page reads one entry more than it returns."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.paging.page import MAX_LISTED, Page, collect
from pipeline.contracts.paging.token import PageQuery, encode_token, next_token
from pipeline.contracts.ports import Item
from pipeline.intake.run_log import RunLog
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.audit import AuditLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.tenants import TenantAdministration
from pipeline.serving.api.messages import Caller
from pipeline.use_cases.management.cancel_run import CancelRun
from pipeline.use_cases.management.manage_registry import ManageRegistry
from pipeline.use_cases.management.model_catalog import ModelCatalog
from tests.fakes.clock import FakeClock
from tests.fakes.executions import FakeExecutions
from tests.fakes.gateway_keys import FakeGatewayKeys
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import model_version
from tests.fakes.table import FakeTable
from tests.unit.registry.registering import LIVE, make_registry, register_ready

OWNER = Caller("demo", frozenset({"manage", "read"}), principal="ci")
TASK = model_version("demo_adult_1").signature.task


@dataclass(frozen=True, kw_only=True)
class Lists:
    """Objects that have lists: the catalog and grants of the API, and lists of only the command line."""

    catalog: ModelCatalog
    manager: ManageRegistry
    keys: ApiKeys
    tenants: TenantAdministration


List = Callable[[Lists, PageQuery], dict[str, Any]]
LISTS: dict[str, tuple[str, List]] = {  # of each list: the field of its entries, and the call
    "models": ("models", lambda lists, page: lists.catalog.models("demo", page=page)),
    "models by tag": ("models", lambda lists, page: lists.catalog.models("demo", tags=["even=yes"], page=page)),
    "models by task": ("models", lambda lists, page: lists.catalog.models("demo", task=TASK, page=page)),
    "models of a key": ("models", lambda lists, page: lists.catalog.models("demo", only=_names(5), page=page)),
    "versions": ("versions", lambda lists, page: lists.catalog.model("demo", "adult", page=page)),
    "history": ("moves", lambda lists, page: lists.catalog.history("demo", "adult", page=page)),
    "history of an alias": (
        "moves",
        lambda lists, page: lists.catalog.history("demo", "adult", alias="live", page=page),
    ),
    "runs": ("runs", lambda lists, page: lists.catalog.runs("demo", page=page)),
    "runs of a model": ("runs", lambda lists, page: lists.catalog.runs("demo", ("adult",), page=page)),
    "rejected": ("rejected", lambda lists, page: lists.catalog.rejected("demo", page=page)),
    "grants": ("grants", lambda lists, page: lists.manager.grants(OWNER, "adult", page=page)),
    "keys": ("entries", lambda lists, page: _ask(lists.keys.page, page, "keys")),
    "keys of a tenant": ("entries", lambda lists, page: _ask(partial(lists.keys.page, "t0"), page, "keys", "t0")),
    "tenants": ("entries", lambda lists, page: _ask(lists.tenants.page, page, "tenants")),
}


def _ask(read: Callable[..., Page[Any]], query: PageQuery, *scope: str) -> dict[str, Any]:
    """Return a page of a list that only the command line has, as the API returns pages."""
    limit, after = query.parse(MAX_LISTED, *scope)
    page = read(limit=limit, after=after)
    return {"entries": page.entries, **next_token(page, *scope)}


def _names(count: int) -> list[str]:
    return ["adult", *(f"m{number}" for number in range(count - 1))]


@dataclass
class ReadTable(FakeTable):
    """A table that counts the items that are read."""

    read: int = 0
    _listed: set[str] = field(default_factory=set)

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        self.read += 1
        return super().get(pk, sk, consistent=consistent)

    def get_all(self, keys: Any, *, consistent: bool = True) -> list[Item]:
        self.read += len(keys)
        return super().get_all(keys, consistent=consistent)

    def query(self, *arguments: Any, **options: Any) -> list[Item]:
        items = super().query(*arguments, **options)
        self.read += len(items)
        return items

    def listing(self, *arguments: Any, **options: Any) -> list[Item]:
        items = super().listing(*arguments, **options)
        self.read += len(items)
        return items


def make_lists(count: int) -> tuple[Lists, ReadTable]:
    """Return lists that have about ``count`` entries each."""
    table, clock = ReadTable(), FakeClock()
    registry: ModelRegistry = make_registry(table, clock)
    register_ready(registry, count)
    for number, model in enumerate(_names(count)[1:]):
        register_ready(registry, 1, model)
        if number % 2 == 0:
            registry.lifecycle.tag("demo", model, None, {"even": "yes"})
    for number in range(count):
        clock.pass_seconds(1)
        registry.aliases.move(LIVE, number + 1, by="anna")
    runs = RunLog(table, now=clock)
    for number in range(count):
        clock.pass_seconds(1)
        for model in ("adult", "m0"):
            run = f"demo_{model}_{number:012x}"
            runs.create(run, tenant="demo", model=model, file="f.csv", started_at=clock())
        runs.reject("uploads", f"demo/{number}.csv", "no model", at=clock())
    keys = ApiKeys(table, now=clock)
    tenants = TenantAdministration(table, FakeGatewayKeys(), now=clock)
    tenants.create("demo")
    for number in range(count):
        clock.pass_seconds(1)
        tenants.create(f"t{number}")
        tenants.share("demo", "adult", f"t{number}", "reader")
        keys.create(f"t{number % 2}")
    cancel = CancelRun(runs=runs, executions=FakeExecutions())
    manager = ManageRegistry(registry=registry, cancel=cancel, sharing=tenants, audit=AuditLog(table))
    catalog = ModelCatalog(registry, FakeObjectStore("artifacts"), runs)
    return Lists(catalog=catalog, manager=manager, keys=keys, tenants=tenants), table


@pytest.fixture(scope="module")
def lists() -> Lists:
    return make_lists(9)[0]


@pytest.mark.parametrize("name", LISTS)
def test_the_pages_of_a_list_have_each_entry_once_and_the_last_page_no_token(lists: Lists, name: str) -> None:
    entries, call = LISTS[name]
    whole = call(lists, PageQuery())
    assert "next" not in whole
    assert len(whole[entries]) > 3
    for limit in ("1", "2", "3", str(len(whole[entries]))):
        listed, token = [], None
        for _ in range(100):
            page = call(lists, PageQuery(limit, token))
            listed += page[entries]
            assert len(page[entries]) <= int(limit)
            if (token := page.get("next")) is None:
                break
        assert listed == whole[entries]


@pytest.mark.parametrize("name", LISTS)
def test_a_page_reads_as_many_items_of_a_long_list_as_of_a_short_one(name: str) -> None:
    _, call = LISTS[name]
    reads = []
    for count in (8, 60):
        lists, table = make_lists(count)
        table.read = 0
        call(lists, PageQuery("3"))
        reads.append(table.read)
    assert reads[0] == reads[1] <= 4 + 4 + 1  # references, what they refer to, and the model's summary


@pytest.mark.parametrize("name", LISTS)
def test_an_invalid_token_or_limit_is_refused_in_one_sentence(lists: Lists, name: str) -> None:
    _, call = LISTS[name]
    token = call(lists, PageQuery("1"))["next"]
    foreign = [other(lists, PageQuery("1"))["next"] for key, (_, other) in LISTS.items() if key != name]
    forged = [base64.urlsafe_b64encode(text).decode().rstrip("=") for text in (b"1", b"null", b'["a", 1]', b"[" * 300)]
    for wrong in (*foreign, *forged, "", "a", "no token", token + "A", token[:-4], "é", "\ud800", "x" * 9_999):
        with pytest.raises(InvalidRequestError, match=r"^next: .* is expected, from the same list$"):
            call(lists, PageQuery(None, wrong))
    for limit in ("0", "1001", "-1", "x", "²", "9" * 99, ""):
        with pytest.raises(InvalidRequestError, match="limit"):
            call(lists, PageQuery(limit))


@pytest.mark.parametrize("position", ["", "x" * 300, "\ud800", "\x00"])
def test_a_token_with_an_invalid_position_reads_no_entries(lists: Lists, position: str) -> None:
    token = encode_token(position, "runs", "demo")
    if position:
        with pytest.raises(InvalidRequestError):
            lists.catalog.runs("demo", page=PageQuery(None, token))
    else:
        assert lists.catalog.runs("demo", page=PageQuery(None, token))["runs"] == []


@pytest.mark.parametrize(("limit", "counts"), [(None, [1_000, 1_000, 1_000]), (3, [3, 3]), (4, [4, 4])])
def test_a_list_is_collected_page_by_page_up_to_the_limit(limit: int | None, counts: list[int]) -> None:
    requested: list[int] = []

    def read(count: int, after: str | None) -> Page[int]:
        requested.append(count)
        start = int(after or 0)
        return Page([start, start + 1], str(start + 2) if start < 4 else None)

    assert collect(read, limit) == [0, 1, 2, 3, 4, 5][:limit]
    assert requested == counts
