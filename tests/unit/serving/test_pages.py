"""Every list of the API comes in pages, and reads what it returns: one more entry tells that there are more."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pipeline.contracts.errors import InvalidRequestError
from pipeline.contracts.paging.token import PageQuery, encode_token
from pipeline.contracts.ports import Item
from pipeline.intake.run_log import RunLog
from pipeline.registry.model_registry import ModelRegistry
from pipeline.serving.model_catalog import ModelCatalog
from tests.fakes.clock import FakeClock
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import model_version
from tests.fakes.table import FakeTable
from tests.unit.registry.registering import LIVE, make_registry, register_ready

TASK = model_version("demo_adult_1").signature.task
List = Callable[[ModelCatalog, PageQuery], dict[str, Any]]
LISTS: dict[str, tuple[str, List]] = {  # of each list: the field of its entries, and the call
    "models": ("models", lambda catalog, page: catalog.models("demo", page=page)),
    "models by tag": ("models", lambda catalog, page: catalog.models("demo", tags=["even=yes"], page=page)),
    "models by task": ("models", lambda catalog, page: catalog.models("demo", task=TASK, page=page)),
    "models of a key": ("models", lambda catalog, page: catalog.models("demo", only=_names(5), page=page)),
    "versions": ("versions", lambda catalog, page: catalog.model("demo", "adult", page=page)),
    "history": ("moves", lambda catalog, page: catalog.history("demo", "adult", page=page)),
    "history of an alias": ("moves", lambda catalog, page: catalog.history("demo", "adult", alias="live", page=page)),
    "runs": ("runs", lambda catalog, page: catalog.runs("demo", page=page)),
    "runs of a model": ("runs", lambda catalog, page: catalog.runs("demo", ("adult",), page=page)),
    "rejected": ("rejected", lambda catalog, page: catalog.rejected("demo", page=page)),
}


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


def make_catalog(count: int) -> tuple[ModelCatalog, ReadTable]:
    """Return a catalog in which every list has about ``count`` entries."""
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
    return ModelCatalog(registry, FakeObjectStore("artifacts"), runs), table


@pytest.fixture(scope="module")
def catalog() -> ModelCatalog:
    return make_catalog(9)[0]


@pytest.mark.parametrize("name", LISTS)
def test_the_pages_of_a_list_have_each_entry_once_and_the_last_page_no_token(catalog: ModelCatalog, name: str) -> None:
    entries, call = LISTS[name]
    whole = call(catalog, PageQuery())
    assert "next" not in whole
    assert len(whole[entries]) > 3
    for limit in ("1", "2", "3", str(len(whole[entries]))):
        listed, token = [], None
        for _ in range(100):
            page = call(catalog, PageQuery(limit, token))
            listed += page[entries]
            assert len(page[entries]) <= int(limit)
            if (token := page.get("next")) is None:
                break
        assert listed == whole[entries]


@pytest.mark.parametrize("name", LISTS)
def test_a_page_reads_no_more_of_a_long_list_than_of_a_short_one(name: str) -> None:
    _, call = LISTS[name]
    reads = []
    for count in (6, 60):
        catalog, table = make_catalog(count)
        table.read = 0
        call(catalog, PageQuery("3"))
        reads.append(table.read)
    assert reads[0] == reads[1] <= 4 + 4 + 1  # references, what they refer to, and the model's summary


@pytest.mark.parametrize("name", LISTS)
def test_a_token_of_another_list_or_none_at_all_is_refused_in_one_sentence(catalog: ModelCatalog, name: str) -> None:
    _, call = LISTS[name]
    token = call(catalog, PageQuery("1"))["next"]
    foreign = [other(catalog, PageQuery("1"))["next"] for key, (_, other) in LISTS.items() if key != name]
    forged = [base64.urlsafe_b64encode(text).decode().rstrip("=") for text in (b"1", b"null", b'["a", 1]', b"[" * 300)]
    for wrong in (*foreign, *forged, "", "a", "no token", token + "A", token[:-4], "é", "\ud800", "x" * 9_999):
        with pytest.raises(InvalidRequestError, match=r"^next: .* is expected, from the same list$"):
            call(catalog, PageQuery(None, wrong))
    for limit in ("0", "1001", "-1", "x", "²", "9" * 99, ""):
        with pytest.raises(InvalidRequestError, match="limit"):
            call(catalog, PageQuery(limit))


@pytest.mark.parametrize("position", ["", "x" * 300, "\ud800", "\x00"])
def test_a_token_with_a_position_that_no_list_gives_reads_nothing_else(catalog: ModelCatalog, position: str) -> None:
    token = encode_token(position, "runs", "demo")
    if position:
        with pytest.raises(InvalidRequestError):
            catalog.runs("demo", page=PageQuery(None, token))
    else:
        assert catalog.runs("demo", page=PageQuery(None, token))["runs"] == []
