"""The log of runs."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.cloud.attributes import MAX_ITEM_BYTES, item_bytes
from pipeline.contracts.errors import MAX_MESSAGE, NotFoundError
from pipeline.contracts.object_keys import tenant_of_run
from pipeline.contracts.paging.listing import read_listing
from pipeline.contracts.paging.page import iterate
from pipeline.contracts.records.run import STAGES, Learning, RunError
from pipeline.contracts.table_keys import run_key
from pipeline.intake.run_log import RunLog
from tests.fakes.clock import FakeClock
from tests.fakes.table import FakeTable

RUN = "demo_adult_000000000001"
BROKEN = RunError(type="InvalidTargetError", message="the target is constant")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def runs(clock: FakeClock) -> RunLog:
    return RunLog(FakeTable(), now=clock)


def create(runs: RunLog, clock: FakeClock, run: str = RUN) -> bool:
    return runs.create(run, tenant=tenant_of_run(run), model="adult", file="train.csv", started_at=clock())


def test_a_new_run_is_at_its_first_stage(runs: RunLog, clock: FakeClock) -> None:
    assert create(runs, clock)
    run = runs.get(RUN)
    assert (run.status, run.tenant, run.model, run.file, run.version) == ("RUNNING", "demo", "adult", "train.csv", None)
    assert [stage.name for stage in run.stages] == list(STAGES)
    assert [stage.status for stage in run.stages] == ["RUNNING"] + ["PENDING"] * (len(STAGES) - 1)


def test_a_run_is_created_once(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    started_at = runs.get(RUN).started_at
    clock.pass_seconds(60)
    assert not create(runs, clock)
    assert runs.get(RUN).started_at == started_at


def test_a_stage_lasts_from_the_end_of_the_previous_stage_to_its_end(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    clock.pass_seconds(1.5)
    runs.finish_stage(RUN, "validate")
    clock.pass_seconds(0.25)
    runs.finish_stage(RUN, "plan")
    clock.pass_seconds(100)
    validate, plan, train, ensemble = runs.get(RUN).stages[:4]
    assert (validate.status, validate.seconds) == ("SUCCEEDED", 1.5)
    assert (plan.status, plan.seconds) == ("SUCCEEDED", 0.25)
    assert (train.status, train.seconds) == ("RUNNING", None)
    assert (ensemble.status, ensemble.seconds) == ("PENDING", None)


def test_a_run_of_a_version_without_a_stage_does_not_show_the_stage(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    for stage in ("validate", "plan", "train", "compress"):
        runs.finish_stage(RUN, stage)
    stages = {stage.name: stage.status for stage in runs.get(RUN).stages}
    assert "ensemble" not in stages
    assert (stages["compress"], stages["select"]) == ("SUCCEEDED", "RUNNING")


def test_progress_is_shown_with_the_running_stage_and_ends_with_the_stage(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    runs.finish_stage(RUN, "validate")
    runs.finish_stage(RUN, "plan")
    runs.show_progress(RUN, "mlp: epoch 3 of 20")
    assert {s.name: s.progress for s in runs.get(RUN).stages if s.progress} == {"train": "mlp: epoch 3 of 20"}
    runs.finish_stage(RUN, "train")
    assert not any(stage.progress for stage in runs.get(RUN).stages)


def test_a_failed_run_has_the_failed_stage_and_the_error(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    clock.pass_seconds(2)
    assert runs.fail(RUN, BROKEN)
    run = runs.get(RUN)
    assert (run.status, run.error, run.ended_at) == ("FAILED", BROKEN, clock())
    assert [(s.status, s.seconds) for s in run.stages[:2]] == [("FAILED", 2.0), ("PENDING", None)]


def test_a_run_that_has_ended_does_not_change(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    assert runs.fail(RUN, BROKEN)
    ended = runs.get(RUN)
    clock.pass_seconds(5)
    assert not runs.fail(RUN, RunError(type="ExecutionEndedError", message="aborted"))
    assert not runs.succeed(RUN, 1)
    assert not runs.await_promotion(RUN, 1, "why")
    runs.finish_stage(RUN, "validate")
    runs.show_progress(RUN, "late")
    assert runs.get(RUN) == ended


def test_a_successful_run_has_its_version(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    for stage in STAGES:
        runs.finish_stage(RUN, stage)
    assert runs.succeed(RUN, 3)
    run = runs.get(RUN)
    assert (run.status, run.version) == ("SUCCEEDED", 3)
    assert {stage.status for stage in run.stages} == {"SUCCEEDED"}


def test_a_run_that_needs_a_decision_has_the_reason(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    assert runs.await_promotion(RUN, 2, "the size limit is missed")
    run = runs.get(RUN)
    assert (run.status, run.version, run.reason) == ("NEEDS_DECISION", 2, "the size limit is missed")


def test_a_run_that_waits_for_a_decision_is_promoted_once(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    assert not runs.mark_promoted(RUN)
    runs.await_promotion(RUN, 2, "promote is manual")
    assert runs.mark_promoted(RUN)
    assert not runs.mark_promoted(RUN)
    assert (runs.get(RUN).status, runs.get(RUN).version) == ("SUCCEEDED", 2)


def test_an_unknown_run_is_not_found_and_cannot_fail(runs: RunLog) -> None:
    with pytest.raises(NotFoundError):
        runs.get("demo_other_000000000009")
    assert not runs.fail("demo_other_000000000009", BROKEN)


def test_runs_of_all_tenants_or_of_one_are_listed_newest_first(runs: RunLog, clock: FakeClock) -> None:
    names = ["demo_b_000000000001", "acme_x_000000000002", "demo_a_000000000003"]
    for name in names:
        create(runs, clock, name)
        clock.pass_seconds(1)
    assert [run.run for run in runs.list()] == names[::-1]
    assert [run.run for run in runs.list(tenant="demo")] == ["demo_a_000000000003", "demo_b_000000000001"]
    assert [run.run for run in runs.list(limit=1)] == ["demo_a_000000000003"]
    assert [run.run for run in runs.list(tenant="demo", limit=1)] == ["demo_a_000000000003"]
    assert runs.list(tenant="nobody") == []


def test_events_of_a_run_are_listed_in_order_until_it_ends(runs: RunLog, clock: FakeClock) -> None:
    create(runs, clock)
    clock.pass_seconds(5)
    runs.add_event(RUN, "gpu: the machine was reclaimed in attempt 1")
    clock.pass_seconds(7.5)
    runs.add_event(RUN, "gpu: attempt 2 begins")
    run = runs.get(RUN)
    assert [event.text for event in run.events] == [
        "gpu: the machine was reclaimed in attempt 1",
        "gpu: attempt 2 begins",
    ]
    assert [(event.at - run.started_at).total_seconds() for event in run.events] == [5, 12.5]
    runs.succeed(RUN, 1)
    runs.add_event(RUN, "late")
    assert len(runs.get(RUN).events) == 2


def test_a_run_with_the_longest_texts_and_a_hundred_events_fits_in_sixty_percent_of_an_item(clock: FakeClock) -> None:
    table, longest = FakeTable(), "\U0001f40c" * 1_000_000  # four bytes each
    runs = RunLog(table, now=clock)
    runs.create(RUN, tenant="demo", model="m" * 32, file="f" * 1024, started_at=clock())
    runs.record_learning(RUN, Learning(target=longest[:200], task="classification", likely_target=longest[:200]))
    for stage in STAGES:
        runs.finish_stage(RUN, stage)
    for _ in range(100):
        clock.pass_seconds(1)
        runs.add_event(RUN, longest)
    runs.show_progress(RUN, longest)
    runs.fail(RUN, RunError(type="NoCandidateSurvivedError", message=longest))
    item = table.get(*run_key("demo", RUN))
    assert item is not None
    assert item_bytes(item) < MAX_ITEM_BYTES * 0.6
    run = runs.get(RUN)
    assert run.error is not None
    assert len(run.error.message) == MAX_MESSAGE
    assert run.error.message.endswith(" ...")


def names(runs: RunLog, **query: Any) -> list[str]:
    """Return the names of all runs of a list that is read in pages of two."""
    return [run.run[-1] for run in iterate(lambda after: runs.page(limit=2, after=after, **query))]


def create_nine_runs(runs: RunLog, clock: FakeClock) -> None:
    for number, (tenant, model) in enumerate([("demo", "adult"), ("acme", "adult"), ("demo", "houses")] * 3):
        clock.pass_seconds(1)
        run = f"{tenant}_{model}_{number:012d}"
        runs.create(run, tenant=tenant, model=model, file="f.csv", started_at=clock())


def test_runs_are_listed_newest_first_in_pages_by_tenant_and_model(runs: RunLog, clock: FakeClock) -> None:
    create_nine_runs(runs, clock)
    assert names(runs) == list("876543210")
    assert names(runs, tenant="demo") == list("865320")
    assert names(runs, tenant="demo", models=["adult"]) == list("630")
    assert names(runs, models=["houses"]) == list("852")
    assert names(runs, tenant="demo", models=["adult", "none"]) == list("630")


def test_progress_is_not_written_to_the_index(clock: FakeClock) -> None:
    table = FakeTable()
    runs = RunLog(table, now=clock)
    create(runs, clock)
    runs.show_progress(RUN, "epoch 1")
    runs.succeed(RUN, 1)
    run = table.get(*run_key("demo", RUN))
    assert run is not None
    assert "listing" not in run
    (reference,) = read_listing(table, "RUN")
    assert not {"status", "progress", "stages"} & reference.keys()


def test_runs_of_an_older_release_are_listed_and_added_to_the_index_once(clock: FakeClock) -> None:
    table = FakeTable()
    runs = RunLog(table, now=clock)
    create_nine_runs(runs, clock)
    for pk in ("TENANT#demo", "TENANT#acme"):  # an older release writes the runs themselves to the index
        for item in table.query(pk, "STARTED"):
            table.delete(pk, item["sk"])
        for item in table.query(pk, "RUN#"):
            table.put({**item, "listing": "RUN", "listed_at": f"{item['started_at']}#{item['run']}"})
    assert names(runs) == list("876543210")
    assert runs.add_references(limit=4) == 4  # the process is killed here
    assert names(runs) == list("876543210")
    assert (runs.add_references(), runs.add_references()) == (5, 0)
    assert names(runs) == list("876543210")
    assert names(runs, tenant="demo", models=["adult"]) == list("630")


def test_rejected_uploads_are_listed_in_pages_with_those_of_an_older_release_last(clock: FakeClock) -> None:
    table = FakeTable()
    runs = RunLog(table, now=clock)
    for number in range(5):
        clock.pass_seconds(1)
        for _ in range(2):  # a repeated event
            runs.reject("uploads", f"demo/{number}.csv", "why", at=clock())
    for digest in ("0" * 64, "f" * 64):
        table.put({"pk": "TENANT#demo", "sk": f"REJECTED#{digest}", "tenant": "demo", "bucket": "uploads",
                   "key": "demo/old.csv", "reason": "why", "at": clock().isoformat()})  # fmt: skip
    listed = iterate(lambda after: runs.rejected_page(tenant="demo", limit=2, after=after))
    assert [upload.key for upload in listed] == [f"demo/{number}.csv" for number in range(4, -1, -1)] + [
        "demo/old.csv"
    ] * 2
    assert [upload.key for upload in runs.rejected_page(limit=2).entries] == ["demo/4.csv", "demo/3.csv"]
    assert runs.delete_all("demo") == 7
