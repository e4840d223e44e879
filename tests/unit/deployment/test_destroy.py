"""A stack is removed with its data, in an order that can be interrupted and repeated."""

from __future__ import annotations

import pytest

from pipeline.contracts.account import StackState
from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.deployment.destroy import destroy, find_removal
from tests.fakes.account import STACK_ID, FakeData, FakeStack, resource

COMPLETE = StackState(id=STACK_ID, status="CREATE_COMPLETE")
DELETED = StackState(id=STACK_ID, status="DELETE_COMPLETE")
BUCKET, TABLE, REPOSITORY = (
    resource("AWS::S3::Bucket", "uploads"),
    resource("AWS::DynamoDB::Table", "records"),
    resource("AWS::ECR::Repository", "images"),
)


class Site:
    def __init__(self, stack: FakeStack) -> None:
        self.stack = stack
        self.data = FakeData(buckets={"uploads": 2_500}, tables={"records"}, images={"images": 3})
        self.reported: list[str] = []
        self.slept = 0.0

    def destroy(self, *, keeps_data: bool = False) -> None:
        removal = find_removal("modeldrop", self.stack, keeps_data=keeps_data)
        destroy(removal, stack=self.stack, data=self.data, report=self.reported.append, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds


def _deployed(**fields: str) -> Site:
    return Site(FakeStack(current=COMPLETE, resources=[BUCKET, TABLE, REPOSITORY], **fields))  # type: ignore[arg-type]


def test_data_is_deleted_first_then_the_stack_then_retained_resources() -> None:
    site = _deployed()
    site.destroy()
    assert site.data.calls == ["empty uploads", "empty images", "empty uploads", "delete uploads", "delete records"]
    assert site.stack.current is None
    assert (site.data.buckets, site.data.tables, site.data.images) == ({}, set(), {})


def test_a_user_pool_is_deleted_unless_data_is_kept() -> None:
    for keeps_data in (True, False):
        stack = FakeStack(current=COMPLETE, resources=[resource("AWS::Cognito::UserPool", "eu-west-1_a1B2")])
        site = Site(stack)
        site.data.user_pools = {"eu-west-1_a1B2", "eu-west-1_other"}
        removal = find_removal("modeldrop", stack, keeps_data=keeps_data)
        assert (removal.user_pools, removal.kept)[keeps_data] == ["eu-west-1_a1B2"]
        site.destroy(keeps_data=keeps_data)
        assert ("eu-west-1_a1B2" in site.data.user_pools) == keeps_data
        assert "eu-west-1_other" in site.data.user_pools


def test_progress_is_reported_with_counts() -> None:
    site = _deployed()
    site.destroy()
    assert "deleted 2,500 object versions of uploads" in site.reported
    assert "0 of 3 resources deleted" in site.reported
    assert site.slept > 0


def test_keep_data_keeps_buckets_and_tables() -> None:
    site = _deployed()
    site.destroy(keeps_data=True)
    assert site.data.calls == ["empty images"]
    assert site.stack.current is None


def test_resources_retained_by_a_deleted_stack_are_found_and_removed() -> None:
    kept = [
        resource("AWS::S3::Bucket", "uploads", status="DELETE_SKIPPED"),
        resource("AWS::DynamoDB::Table", "table", status="DELETE_COMPLETE"),
    ]
    site = Site(FakeStack(before=DELETED, resources=kept))
    site.destroy()
    assert site.data.calls == ["empty uploads", "empty uploads", "delete uploads"]


def test_an_unknown_stack_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="modeldrop"):
        find_removal("modeldrop", FakeStack())


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"])
def test_a_stack_with_an_operation_in_progress_is_a_conflict(status: str) -> None:
    with pytest.raises(ConflictError, match=status):
        find_removal("modeldrop", FakeStack(current=StackState(id=STACK_ID, status=status)))


def test_a_resource_that_cannot_be_deleted_is_named_with_its_reason() -> None:
    site = _deployed(refused="the queue has jobs")
    with pytest.raises(ConflictError, match="Uploads: the queue has jobs"):
        site.destroy()
    assert "uploads" in site.data.buckets


def test_a_protected_stack_is_not_changed() -> None:
    site = Site(FakeStack(current=StackState(id=STACK_ID, status="CREATE_COMPLETE", is_protected=True)))
    with pytest.raises(ConflictError, match="termination protection"):
        site.destroy()
    assert site.data.calls == []


def test_a_deletion_of_more_than_an_hour_is_reported() -> None:
    site = _deployed()
    site.stack.delete = lambda: None  # type: ignore[method-assign]  # it never ends
    with pytest.raises(ConflictError, match="60 minutes"):
        site.destroy()
