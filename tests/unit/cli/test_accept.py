"""``modeldrop accept`` serves a variant of an ended run."""

from __future__ import annotations

import pytest

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.variant import VariantSet
from tests.fakes.records import documents
from tests.unit.cli.conftest import Stage, selection

RUN = "demo_m_0123456789ab"


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    """A run whose version 2 waits for a decision, while version 1 is live."""
    stage.serve()
    stage.serve(live=False)
    run = stage.begin(RUN)
    stage.select(run)
    for key, record in documents(RUN).items():
        stage.artifacts.put(key, record.to_bytes())
    winner = selection().winner
    variants = VariantSet(variants=(winner, winner.model_copy(update={"precision": "fp32"})), cpu="test")
    stage.artifacts.put(RunKeys(RUN).variants, variants.to_bytes())
    stage.runs.await_promotion(run, 2, "a limit is missed")
    return stage


def test_accepting_the_winner_promotes_it_and_the_run_succeeds(waiting: Stage) -> None:
    document = waiting.json("accept", RUN, "--json")
    assert (document["status"], document["version"]) == ("SUCCEEDED", 2)
    assert waiting.registry.live("demo", "m").version == 2


def test_accepting_another_variant_starts_a_new_run(waiting: Stage) -> None:
    def end() -> None:
        for name in list(waiting.executions.started):
            waiting.runs.succeed(name, 3)

    waiting.on_sleep = end
    document = waiting.json("accept", RUN, "mlp/fp32", "--json")
    (accepted,) = waiting.executions.started
    assert (document["run"], document["status"], document["version"]) == (accepted, "SUCCEEDED", 3)
    assert waiting.runs.get(RUN).status == "SUCCEEDED"


def test_an_unknown_variant_is_an_error(waiting: Stage) -> None:
    result = waiting.run("accept", RUN, "nothing/fp32")
    assert result.exit_code == 1
    assert "no variant 'nothing/fp32'" in result.stderr


def test_accept_fails_for_a_run_without_variants(stage: Stage) -> None:
    stage.begin("demo_m_1")
    assert "no variants" in stage.run("accept", "demo_m_1").stderr
