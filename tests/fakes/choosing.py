"""From a table to the chosen file, without jobs: train, compress, select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.codec.unpack import unpack
from pipeline.compression.make_variants import make_variants
from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.outcome import TrainedCandidate
from pipeline.contracts.records.plan import Candidate
from pipeline.contracts.records.variant import Selection
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import choose_metric
from pipeline.contracts.spec.thresholds import threshold_rule
from pipeline.evaluation.scoring import OnnxModel
from pipeline.selection.select import select
from pipeline.training.trainer import Trainer
from tests.fakes.objects import FakeObjectStore
from tests.fakes.tabular import Table
from tests.fakes.training import CPU, QUICK

__all__ = ["Choice", "choose"]

KEYS = RunKeys("demo_choice_0123456789ab")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The trained candidates, the selection, and the served file."""

    trained: tuple[TrainedCandidate, ...]
    selection: Selection
    served: OnnxModel


def choose(table: Table, algorithms: Sequence[str], spec: JobSpec, folder: Path) -> Choice:
    """Train ``algorithms`` with quick settings and choose among them; files are in ``folder``."""
    metric = choose_metric(spec.metric, table.dataset)
    trainer = Trainer(
        dataset=table.dataset,
        splits=table.splits,
        machine=CPU,
        seed=0,
        metric=metric,
        class_weights=spec.training.class_weights,
        threshold_rule=threshold_rule(spec, table.dataset),
    )
    artifacts, trained = FakeObjectStore(), []
    for name in algorithms:
        own = folder / name
        own.mkdir(parents=True)
        candidate = Candidate(name=name, algorithm=name, settings=QUICK[name])
        trained.append(trainer.train(candidate, own, lambda text: None))
        for file in own.iterdir():
            artifacts.put(KEYS.candidate(name, file.name), file.read_bytes())
    variants = make_variants(
        trained,
        artifacts=artifacts,
        keys=KEYS,
        dataset=table.dataset,
        validation=table.validation,
        spec=spec,
        report=lambda text: None,
    )
    selection = select(variants, metric=metric, spec=spec)
    assert selection.winner.artifact is not None
    served = OnnxModel(unpack(artifacts.get(selection.winner.artifact.key)))
    return Choice(trained=tuple(trained), selection=selection, served=served)
