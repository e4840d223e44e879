"""API keys: creation, roles, expiry, rotation, revocation and listing."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest

from pipeline.contracts.errors import (
    ForbiddenError,
    InputError,
    InvalidUploadError,
    NotFoundError,
    UnauthenticatedError,
)
from pipeline.contracts.ports import Item
from pipeline.registry.api_keys import ApiKeys, Principal
from tests.fakes.clock import FakeClock
from tests.fakes.table import FakeTable


class _Counting(FakeTable):
    """A table that counts the items that are read."""

    read = 0

    def get_all(self, *arguments: Any, **options: Any) -> list[Item]:
        return self._count(super().get_all(*arguments, **options))

    def query(self, *arguments: Any, **options: Any) -> list[Item]:
        return self._count(super().query(*arguments, **options))

    def listing(self, *arguments: Any, **options: Any) -> list[Item]:
        return self._count(super().listing(*arguments, **options))

    def _count(self, items: list[Item]) -> list[Item]:
        self.read += len(items)
        return items


@pytest.fixture
def keys(table: FakeTable, clock: FakeClock) -> ApiKeys:
    return ApiKeys(table, now=clock)


def test_a_key_resolves_to_its_tenant_and_principal(keys: ApiKeys) -> None:
    key = keys.create("demo", "anna")
    assert re.fullmatch(r"md_[A-Za-z0-9_-]{43}", key)
    assert keys.resolve(key) == Principal(tenant="demo", principal="anna", permissions=("predict", "read"))


def test_only_the_hash_of_a_key_is_stored(keys: ApiKeys, table: FakeTable) -> None:
    key = keys.create("demo")
    (item,) = table.listing("API-KEY")
    assert key not in str(item)
    assert item["pk"] == f"KEY#{hashlib.sha256(key.encode()).hexdigest()}"
    assert not any(key[i : i + 12] in str(item) for i in range(len(key) - 11))


@pytest.mark.parametrize(
    ("role", "permissions"),
    [
        ("reader", {"read"}),
        ("predictor", {"read", "predict"}),
        ("publisher", {"read", "predict", "publish"}),
        ("owner", {"read", "predict", "publish", "manage"}),
    ],
)
def test_a_role_has_its_permissions(keys: ApiKeys, role: str, permissions: set[str]) -> None:
    assert set(keys.resolve(keys.create("demo", role=role)).permissions) == permissions
    assert keys.list()[0].role == role


def test_an_unknown_role_creates_no_key(keys: ApiKeys) -> None:
    with pytest.raises(InputError, match="reader, predictor, publisher, owner"):
        keys.create("demo", role="root")
    assert keys.list() == []


def test_a_key_may_be_limited_to_some_models(keys: ApiKeys) -> None:
    assert keys.resolve(keys.create("demo", models=["adult"])).models == ("adult",)
    with pytest.raises(InvalidUploadError):
        keys.create("demo", models=["a/b"])


def test_a_key_expires(keys: ApiKeys, clock: FakeClock) -> None:
    key = keys.create("demo", valid_for=timedelta(seconds=60))
    clock.pass_seconds(59)
    assert keys.resolve(key).tenant == "demo"
    clock.pass_seconds(1)
    with pytest.raises(UnauthenticatedError):
        keys.resolve(key)
    with pytest.raises(NotFoundError):
        keys.rotate(key[:11])


def test_rotation_copies_a_key_and_keeps_the_old_key_valid_for_the_overlap(keys: ApiKeys, clock: FakeClock) -> None:
    old = keys.create("demo", "ci", role="publisher", models=["adult"], valid_for=timedelta(days=30))
    clock.pass_seconds(3600)
    new = keys.rotate(old[:11], overlap=timedelta(hours=2))
    assert keys.resolve(old) == keys.resolve(new)
    assert keys.resolve(new) == Principal(
        tenant="demo", principal="ci", permissions=("predict", "publish", "read"), models=("adult",)
    )
    clock.pass_seconds(7200)
    with pytest.raises(UnauthenticatedError):
        keys.resolve(old)
    clock.pass_seconds(29 * 86400 - 3600)
    assert keys.resolve(new).principal == "ci"
    clock.pass_seconds(86400)
    with pytest.raises(UnauthenticatedError):
        keys.resolve(new)


def test_rotation_does_not_extend_the_expiry_of_the_old_key(keys: ApiKeys, clock: FakeClock) -> None:
    old = keys.create("demo", valid_for=timedelta(seconds=60))
    keys.rotate(old[:11])
    clock.pass_seconds(60)
    with pytest.raises(UnauthenticatedError):
        keys.resolve(old)


def test_a_key_of_an_older_release_has_the_role_of_its_permissions(keys: ApiKeys, table: FakeTable) -> None:
    key = keys.create("demo")
    (item,) = table.listing("API-KEY")
    table.update(item["pk"], item["sk"], {"permissions": ["predict", "read"]}, remove=["role", "models"])
    assert keys.list()[0].role == "predictor"
    assert keys.resolve(key).permissions == ("predict", "read")


@pytest.mark.parametrize("key", ["", "md_", "md_" + "A" * 43, "KEY"])
def test_an_unknown_key_is_refused(keys: ApiKeys, key: str) -> None:
    with pytest.raises(UnauthenticatedError):
        keys.resolve(key)


def test_a_revoked_key_is_refused_and_still_listed_as_revoked(keys: ApiKeys, clock: FakeClock) -> None:
    key, other = keys.create("demo"), keys.create("demo")
    clock.pass_seconds(5)
    keys.revoke(key[:11])
    with pytest.raises(UnauthenticatedError):
        keys.resolve(key)
    assert keys.resolve(other).tenant == "demo"
    revoked = {listed.prefix: listed.revoked_at for listed in keys.list()}
    assert revoked == {key[:11]: clock().isoformat(timespec="microseconds"), other[:11]: None}


def test_an_unknown_or_revoked_key_cannot_be_revoked(keys: ApiKeys) -> None:
    key = keys.create("demo")
    keys.revoke(key[:11])
    for prefix in (key[:11], "md_", "md_nothing0"):
        with pytest.raises(NotFoundError):
            keys.revoke(prefix)


def test_revoking_a_key_reads_no_other_key(table: FakeTable, clock: FakeClock) -> None:
    counting = _Counting(table._items)
    keys = ApiKeys(counting, now=clock)
    key, *_ = [keys.create("demo") for _ in range(9)]
    counting.read = 0
    assert keys.find(key[:11]).tenant == "demo"
    keys.revoke(key[:11])
    assert counting.read == 4  # twice the reference and the key
    with pytest.raises(UnauthenticatedError):
        keys.resolve(key)


def test_a_key_of_an_older_release_without_a_reference_can_be_revoked(keys: ApiKeys, table: FakeTable) -> None:
    key = _make_old(table, keys.create("demo"))
    keys.revoke(key[:11])
    with pytest.raises(UnauthenticatedError):
        keys.resolve(key)


def test_listing_the_keys_of_a_tenant_does_not_read_other_keys(table: FakeTable, clock: FakeClock) -> None:
    counting = _Counting(table._items)
    keys = ApiKeys(counting, now=clock)
    for number in range(50):
        keys.create("acme" if number % 10 else "demo")
        clock.pass_seconds(1)
    counting.read = 0
    assert [key.tenant for key in keys.list("demo")] == ["demo"] * 5
    assert counting.read == 10  # references and keys
    pages = [keys.page("demo", limit=3)]
    pages.append(keys.page("demo", limit=3, after=pages[0].next))
    assert [len(page.entries) for page in pages] == [3, 2]
    assert pages[1].next is None
    assert [*pages[0].entries, *pages[1].entries] == keys.list("demo")


def test_a_migrated_key_is_listed_once_while_the_index_is_stale(
    keys: ApiKeys, table: FakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make_old(table, keys.create("demo"))
    old, listing = table.listing("KEY"), table.listing
    assert keys.add_references() == len(old) == 1
    monkeypatch.setattr(table, "listing", lambda name, **options: old if name == "KEY" else listing(name, **options))
    assert len(keys.list("demo")) == len(keys.list()) == keys.delete_all("demo") == 1


def test_keys_of_an_older_release_are_listed_in_order_before_and_after_migration(
    keys: ApiKeys, table: FakeTable, clock: FakeClock
) -> None:
    made = []
    for tenant in ("demo", "acme", "demo", "acme"):
        made.append(keys.create(tenant)[:11])
        clock.pass_seconds(1)
    for prefix in made[:3]:
        _make_old(table, prefix)
    assert [key.prefix for key in keys.list("demo")] == [made[2], made[0]]
    assert [key.prefix for key in keys.list()] == made[::-1]
    first = keys.page(limit=2)
    assert [*first.entries, *keys.page(limit=2, after=first.next).entries] == keys.list()
    keys.create("other")  # moves them
    assert table.listing("KEY") == []
    assert [key.prefix for key in keys.list("demo")] == [made[2], made[0]]
    assert [key.prefix for key in keys.list()[1:]] == made[::-1]
    assert [keys.add_references(), keys.delete_all("demo"), len(keys.list("acme"))] == [0, 2, 2]


def test_deleting_keys_of_an_older_release_leaves_no_items(keys: ApiKeys, table: FakeTable) -> None:
    _make_old(table, keys.create("demo"))
    assert keys.delete_all("demo") == 1
    assert table._items == {}


def _make_old(table: FakeTable, key: str) -> str:
    """Make a key look as the first release stored it: listed under its old name, without references."""
    item = next(item for item in table.listing("API-KEY") if item["prefix"] == key[:11])
    table.update(item["pk"], item["sk"], {"listing": "KEY"})
    table.delete(f"KEY-PREFIX#{key[:11]}", item["pk"])
    table.delete(f"ACCOUNT#{item['tenant']}", f"KEY#{item['listed_at']}")
    return key


def test_deleting_keys_leaves_no_references(keys: ApiKeys, table: FakeTable) -> None:
    key, other = keys.create("demo"), keys.create("acme")
    assert [keys.delete_all("demo"), keys.delete_all("demo")] == [1, 0]
    assert table.query(f"KEY-PREFIX#{key[:11]}") == table.query("ACCOUNT#demo") == []
    assert keys.find(other[:11]).tenant == "acme"


def test_keys_of_one_or_all_tenants_are_listed_newest_first(keys: ApiKeys, clock: FakeClock) -> None:
    for tenant in ("demo", "acme", "demo"):
        keys.create(tenant)
        clock.pass_seconds(1)
    assert [key.tenant for key in keys.list()] == ["demo", "acme", "demo"]
    assert [key.tenant for key in keys.list("acme")] == ["acme"]
    times = [key.created_at for key in keys.list()]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("tenant", ["", "De mo", "a_b", "runs"])
def test_a_key_needs_a_valid_tenant(keys: ApiKeys, table: FakeTable, tenant: str) -> None:
    with pytest.raises(InvalidUploadError):
        keys.create(tenant)
    assert table.listing("API-KEY") == []


@pytest.mark.parametrize("principal", ["smoke_test", "jwt:alice"])
def test_no_key_may_have_the_principal_of_the_pipeline_or_of_a_token(keys: ApiKeys, principal: str) -> None:
    with pytest.raises(ForbiddenError, match=principal):
        keys.create("demo", principal)
