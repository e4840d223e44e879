"""Accepting a variant of an ended run starts a new run that serves it."""

from __future__ import annotations

import pytest

from pipeline.contracts.errors import ConflictError, NotFoundError
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.run import STAGES, Learning
from pipeline.contracts.records.variant import Selection, VariantSet
from pipeline.contracts.spec.job_spec import JobSpec, Limits
from pipeline.intake.run_log import RunLog
from pipeline.use_cases.accept_variant import AcceptVariant
from pipeline.use_cases.select_winner import SelectWinner
from tests.fakes.executions import FakeExecutions
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import NOW, documents, selection
from tests.fakes.table import FakeTable

RUN = "demo_adult_0123456789ab"
KEYS = RunKeys(RUN)


class World:
    """A run that made three variants, none of which keeps the limit, and waits for a decision."""

    def __init__(self) -> None:
        self.artifacts, self.runs, self.executions = FakeObjectStore(), RunLog(FakeTable()), FakeExecutions()
        small = selection().winner
        full = small.model_copy(update={"precision": "fp32", "agreement": None, "quality": {"accuracy": 0.91}})
        rejected = small.model_copy(update={"precision": "codebook", "status": "rejected", "reason": "agreement 0.5"})
        variants = VariantSet(variants=(full, small, rejected), cpu="test")
        written = {KEYS.variants: variants, KEYS.spec: JobSpec(limits=Limits(max_bytes=1))}
        for key, record in (documents(RUN) | written).items():
            self.artifacts.put(key, record.to_bytes())
        self.artifacts.put(KEYS.split("test"), b"rows")
        self.runs.create(RUN, tenant="demo", model="adult", file="train.csv", started_at=NOW)
        self.runs.record_learning(RUN, Learning(target="income", task="classification"))

    def accept(self, variant: str) -> str:
        accept = AcceptVariant(artifacts=self.artifacts, runs=self.runs, executions=self.executions)
        return accept(RUN, variant, by="ada")

    def end(self) -> None:
        self.runs.await_promotion(RUN, 1, "a limit is missed")


@pytest.fixture
def world() -> World:
    world = World()
    world.end()
    return world


def test_the_new_run_starts_at_select_with_the_documents_of_the_earlier_run(world: World) -> None:
    accepted = world.accept("mlp/fp32")
    keys = RunKeys(accepted)
    assert world.executions.started == {accepted: {"run": accepted, "large": False, "accept": "mlp/fp32"}}
    assert world.artifacts.get(keys.split("test")) == b"rows"
    assert world.artifacts.get(keys.plan) == world.artifacts.get(KEYS.plan)
    run = world.runs.get(accepted)
    done = [stage.name for stage in run.stages if stage.status == "SUCCEEDED"]
    assert done == list(STAGES[: STAGES.index("select")])
    assert (run.status, run.model, run.learning) == ("RUNNING", "adult", world.runs.get(RUN).learning)


def test_the_accepted_variant_is_selected_although_it_misses_a_limit(world: World) -> None:
    accepted = world.accept("mlp/fp32")
    SelectWinner(artifacts=world.artifacts, runs=world.runs)(accepted)
    chosen = Selection.from_bytes(world.artifacts.get(RunKeys(accepted).selection))
    assert (chosen.winner.display_name, chosen.unmet) == ("mlp/fp32", ())
    assert chosen.accepted is not None
    assert chosen.accepted.by == "ada"


def test_accepting_the_same_variant_again_starts_no_new_run(world: World) -> None:
    first = world.accept("mlp/fp32")
    assert world.accept("mlp/fp32") == first
    assert world.accept("mlp/int8") != first
    assert len(world.executions.started) == 2


def test_an_unknown_variant_is_refused_with_the_existing_ones(world: World) -> None:
    with pytest.raises(NotFoundError, match="mlp/fp32, mlp/int8"):
        world.accept("mlp/int4")


def test_a_rejected_variant_cannot_be_accepted(world: World) -> None:
    with pytest.raises(ConflictError, match=r"agreement 0\.5"):
        world.accept("mlp/codebook")
    assert not world.executions.started


def test_a_variant_of_an_active_run_or_a_run_without_variants_cannot_be_accepted() -> None:
    world = World()
    with pytest.raises(ConflictError, match="running"):
        world.accept("mlp/fp32")
    world.end()
    world.artifacts = FakeObjectStore()
    with pytest.raises(ConflictError, match="before it made variants"):
        world.accept("mlp/fp32")
