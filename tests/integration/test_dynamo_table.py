"""The table adapter on moto's DynamoDB, and the fake, which must behave the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.cloud.clients import Clients
from pipeline.cloud.dynamo_table import DynamoTable
from pipeline.contracts.errors import ConfigurationError, OlderUploadError
from pipeline.contracts.ports import CheckRequest, PutRequest, Table, UpdateRequest
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import MODEL_BYTES, NOW, artifact, model_version
from tests.helpers.overtaken_table import OvertakenTable
from tests.integration.conftest import TABLE


def test_an_item_is_read_back_unchanged(table: Table) -> None:
    item = {"pk": "a", "sk": "b", "n": 3, "x": 0.1, "t": "", "yes": True, "no": None, "l": [1, {"m": "v"}], "m": {}}
    table.put(item)
    assert table.get("a", "b") == item
    assert table.get("a", "other") is None


def test_put_if_absent_writes_only_the_first_item(table: Table) -> None:
    assert table.put_if_absent({"pk": "a", "sk": "b", "by": 1})
    assert not table.put_if_absent({"pk": "a", "sk": "b", "by": 2})
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "by": 1}


def test_attributes_are_set_in_place_even_within_a_map(table: Table) -> None:
    table.put({"pk": "a", "sk": "b", "status": "RUNNING", "stages": {"plan": "1"}, "size": 1})
    assert table.update("a", "b", {"stages.train": "2", "size": 2.5, "name": "new"})
    expected = {"status": "RUNNING", "stages": {"plan": "1", "train": "2"}, "size": 2.5, "name": "new"}
    assert table.get("a", "b") == {"pk": "a", "sk": "b", **expected}


def test_an_update_of_a_missing_item_changes_nothing(table: Table) -> None:
    assert not table.update("a", "b", {"status": "DONE"})
    assert table.get("a", "b") is None


def test_an_update_may_require_equal_or_absent_attributes(table: Table) -> None:
    table.put({"pk": "a", "sk": "b", "status": "RUNNING"})
    assert not table.update("a", "b", {"n": 1}, only_if={"status": "DONE"})
    assert not table.update("a", "b", {"n": 1}, only_if={"status": None})
    assert table.update("a", "b", {"n": 1}, only_if={"status": "RUNNING", "n": None})
    assert not table.update("a", "b", {"n": 2}, only_if={"n": None})
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "status": "RUNNING", "n": 1}


def test_increment_creates_a_missing_item(table: Table) -> None:
    table.increment("a", "b", {"count": 2, "sum": 0.5}, {"expires_at": 7})
    table.increment("a", "b", {"count": 1, "sum": 0.25}, {"expires_at": 8})
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "count": 3, "sum": 0.75, "expires_at": 8}


def test_a_transaction_writes_all_or_nothing(table: Table) -> None:
    one, two = {"pk": "a", "sk": "1", "v": 1}, {"pk": "a", "sk": "2", "v": 1}
    assert table.write_all([PutRequest(item=one, only_if_absent=True), PutRequest(item=two)])
    assert not table.write_all([PutRequest(item={**two, "v": 2}), PutRequest(item=one, only_if_absent=True)])
    assert table.query("a") == [one, two]


def test_a_put_may_require_attributes_of_the_existing_item(table: Table) -> None:
    table.put({"pk": "a", "sk": "1", "version": 1})
    new = {"pk": "a", "sk": "1", "version": 2}
    assert not table.write_all([PutRequest(item=new, only_if={"version": 7})])
    assert not table.write_all([PutRequest(item=new, only_if={"version": 1, "live": 1})])
    assert not table.write_all([PutRequest(item={"pk": "a", "sk": "none"}, only_if={"version": None})])
    assert table.write_all([PutRequest(item=new, only_if={"version": 1, "live": None})])
    assert table.query("a") == [new]


def test_a_transaction_updates_items_and_checks_others(table: Table) -> None:
    table.put({"pk": "a", "sk": "1", "version": 1, "note": "old"})
    table.put({"pk": "a", "sk": "2", "state": "READY", "names": {"live": 1}})
    update = UpdateRequest(key=("a", "1"), values={"version": 2}, remove=["note", "absent"], only_if={"version": 1})
    for only_if in ({"state": "ARCHIVED"}, {"state": None}, {"names": {}}, {"names": {"live": 2}}):
        assert not table.write_all([update, CheckRequest(key=("a", "2"), only_if=only_if)])
    assert not table.write_all([update, CheckRequest(key=("a", "none"))])
    condition = {"state": "READY", "archived_at": None, "names": {"live": 1}}
    assert table.write_all([update, CheckRequest(key=("a", "2"), only_if=condition)])
    assert table.get("a", "1") == {"pk": "a", "sk": "1", "version": 2}
    assert not table.write_all([UpdateRequest(key=("a", "none"), values={"version": 1})])


def test_an_update_removes_attributes(table: Table) -> None:
    table.put({"pk": "a", "sk": "b", "status": "DELETED", "until": 1})
    assert table.update("a", "b", {}, remove=["until"], only_if={"status": "DELETED"})
    assert table.update("a", "b", {"status": "READY"}, remove=["until"])
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "status": "READY"}


def test_delete_removes_an_item_and_may_be_repeated(table: Table) -> None:
    table.put({"pk": "a", "sk": "b"})
    for _ in range(2):
        table.delete("a", "b")
    assert table.get("a", "b") is None


def test_a_query_continues_after_a_sort_key(table: Table) -> None:
    for number in (1, 2, 3, 4):
        table.put({"pk": "a", "sk": f"RUN#{number}"})
    table.put({"pk": "a", "sk": "ZEBRA"})
    assert [item["sk"] for item in table.query("a", "RUN#", after="RUN#2")] == ["RUN#3", "RUN#4"]
    assert [item["sk"] for item in table.query("a", "RUN#", newest_first=True, after="RUN#3", limit=1)] == ["RUN#2"]
    assert [item["sk"] for item in table.query("a", "RUN#", newest_first=True, after="RUN#25")] == ["RUN#2", "RUN#1"]


def test_a_query_is_ordered_and_limited(table: Table) -> None:
    for number in (2, 1, 3):
        table.put({"pk": "a", "sk": f"RUN#{number}"})
    table.put({"pk": "a", "sk": "MODEL#1"})
    table.put({"pk": "b", "sk": "RUN#9"})
    assert [item["sk"] for item in table.query("a", "RUN#")] == ["RUN#1", "RUN#2", "RUN#3"]
    assert [item["sk"] for item in table.query("a", "RUN#", newest_first=True, limit=2)] == ["RUN#3", "RUN#2"]
    assert len(table.query("a")) == 4


def test_a_query_reads_beyond_one_page(table: Table) -> None:
    for number in range(12):
        table.put({"pk": "a", "sk": f"{number:02d}", "text": "x" * 200_000})  # a page ends at 1 MB
    assert len(table.query("a")) == 12
    assert len(table.query("a", limit=11)) == 11


def test_a_listing_has_only_its_items_newest_first(table: Table) -> None:
    for number, listing in enumerate(("RUN", "MODEL", "RUN")):
        table.put({"pk": f"p{number}", "sk": "s", "listing": listing, "listed_at": f"2026-{number}"})
    table.put({"pk": "unlisted", "sk": "s"})
    assert [item["pk"] for item in table.listing("RUN")] == ["p2", "p0"]
    assert [item["pk"] for item in table.listing("RUN", limit=1)] == ["p2"]
    assert table.listing("KEY") == []


def test_a_listing_continues_before_a_given_position(table: Table) -> None:
    for number in range(4):
        table.put({"pk": f"p{number}", "sk": "s", "listing": "RUN", "listed_at": f"2026-{number}"})
    assert [item["pk"] for item in table.listing("RUN", limit=2, before="2026-3")] == ["p2", "p1"]
    assert table.listing("RUN", before="2026-0") == []


def test_several_items_are_read_in_the_order_of_their_keys(table: Table) -> None:
    keys = [("a", str(number)) for number in range(130)]  # more than one request takes
    for pk, sk in keys[::2]:
        table.put({"pk": pk, "sk": sk})
    assert [item["sk"] for item in table.get_all(keys[::-1])] == [sk for _, sk in keys[::2]][::-1]
    assert table.get_all([]) == []


def test_unprocessed_keys_are_requested_again(clients: Clients, tables: None) -> None:
    waits: list[float] = []
    table = DynamoTable(clients.dynamodb, TABLE, sleep=waits.append)
    table.put({"pk": "a", "sk": "b"})

    def withhold(parsed: dict[str, Any], **_: object) -> None:
        if len(waits) < 2:
            parsed["UnprocessedKeys"] = {TABLE: {"Keys": [{"pk": {"S": "a"}, "sk": {"S": "b"}}]}}
            parsed["Responses"] = {}

    clients.dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", withhold)
    assert table.get_all([("a", "b")]) == [{"pk": "a", "sk": "b"}]
    assert waits == [0.05, 0.1]


def test_a_limited_read_requests_only_that_many_items(clients: Clients, tables: None) -> None:
    table, read = DynamoTable(clients.dynamodb, TABLE), []
    for number in range(9):
        table.put({"pk": "p", "sk": str(number), "listing": "RUN", "listed_at": str(number)})
    clients.dynamodb.meta.events.register("after-call.dynamodb.Query", lambda parsed, **_: read.append(parsed["Count"]))
    assert [item["sk"] for item in table.listing("RUN", limit=2)] == ["8", "7"]
    assert [item["sk"] for item in table.query("p", limit=3)] == ["0", "1", "2"]
    assert read == [2, 3]


@pytest.fixture
def artifacts() -> FakeObjectStore:
    store = FakeObjectStore("artifacts")
    store.put(artifact().key, MODEL_BYTES)
    return store


def test_a_registration_that_loses_a_race_takes_the_next_number(table: Table, artifacts: FakeObjectStore) -> None:
    other = ModelRegistry(table, artifacts)
    overtaken = OvertakenTable(table, lambda: other.register(model_version("demo_adult_b")))
    assert ModelRegistry(overtaken, artifacts).register(model_version("demo_adult_a")).version == 2
    runs = [version.lineage.run for version in other.versions.list("demo", "adult")]
    assert runs == ["demo_adult_b", "demo_adult_a"]


def test_a_repeated_registration_that_loses_a_race_takes_the_same_number(
    table: Table, artifacts: FakeObjectStore
) -> None:
    other = ModelRegistry(table, artifacts)
    overtaken = OvertakenTable(table, lambda: other.register(model_version("demo_adult_a")))
    assert ModelRegistry(overtaken, artifacts).register(model_version("demo_adult_a")).version == 1
    assert len(other.versions.list("demo", "adult")) == 1


def test_a_promotion_that_loses_a_race_records_the_new_previous_version(
    table: Table, artifacts: FakeObjectStore
) -> None:
    registry = ModelRegistry(table, artifacts)
    for run in ("demo_adult_a", "demo_adult_b"):
        registry.ready("demo", "adult", registry.register(model_version(run)).version)
    overtaken = OvertakenTable(table, lambda: registry.aliases.move(AliasRef("demo", "adult"), 1, by="b"))
    ModelRegistry(overtaken, artifacts).aliases.move(AliasRef("demo", "adult"), 2, by="a")
    assert [(m.version, m.previous) for m in registry.moves.list("demo", "adult")[::-1]] == [(1, None), (2, 1)]
    assert registry.live("demo", "adult").version == registry.models("demo")[0].live_version == 2


def test_a_promotion_overtaken_by_a_newer_upload_does_not_replace_it(table: Table, artifacts: FakeObjectStore) -> None:
    registry = ModelRegistry(table, artifacts)
    for number, run in enumerate(("demo_adult_a", "demo_adult_b")):
        uploaded_at = NOW + timedelta(seconds=number)
        registry.ready("demo", "adult", registry.register(model_version(run, uploaded_at=uploaded_at)).version)
    overtaken = OvertakenTable(
        table, lambda: registry.aliases.move_to_newer(AliasRef("demo", "adult"), 2, run="demo_adult_b")
    )
    with pytest.raises(OlderUploadError, match=r"version 1 .* version 2"):
        ModelRegistry(overtaken, artifacts).aliases.move_to_newer(AliasRef("demo", "adult"), 1, run="demo_adult_a")
    assert registry.live("demo", "adult").version == registry.models("demo")[0].live_version == 2
    assert [move.version for move in registry.moves.list("demo", "adult")[::-1]] == [2]


def test_a_registration_concurrent_with_a_promotion_keeps_both(table: Table, artifacts: FakeObjectStore) -> None:
    registry = ModelRegistry(table, artifacts)
    registry.ready("demo", "adult", registry.register(model_version("demo_adult_a")).version)
    overtaken = OvertakenTable(table, lambda: registry.aliases.move(AliasRef("demo", "adult"), 1, by="b"))
    ModelRegistry(overtaken, artifacts).register(model_version("demo_adult_b"))
    assert [(m.latest_version, m.live_version) for m in registry.models("demo")] == [(2, 1)]


def test_a_missing_table_is_a_configuration_error_that_names_it(clients: Clients) -> None:
    table = DynamoTable(clients.dynamodb, "modeldrop-nowhere")
    with pytest.raises(ConfigurationError, match="modeldrop-nowhere"):
        table.get("a", "b")
