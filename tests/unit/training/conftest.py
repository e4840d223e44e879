from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.records.plan import Candidate
from pipeline.training.trainer import Trainer
from tests.fakes.tabular import Table
from tests.fakes.training import CPU, QUICK, Run, TrainIt


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> TrainIt:
    def train_it(algorithm: str, table: Table, *, seed: int = 0, metric: str = "", **settings: Any) -> Run:
        folder, reports = tmp_path_factory.mktemp(algorithm), list[str]()
        trainer = Trainer(dataset=table.dataset, splits=table.splits, machine=CPU, seed=seed, metric=metric, folds=1)
        candidate = Candidate(name="one", algorithm=algorithm, settings={**QUICK[algorithm], **settings})
        trained = trainer.train(candidate, folder, reports.append)
        return Run(table=table, trained=trained, folder=folder, reports=reports)

    return train_it
