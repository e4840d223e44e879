from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pipeline.contracts.errors import CandidateFailedError
from tests.fakes.networks import Ensemble, Kept, learn, problem, weights
from tests.fakes.tabular import table
from tests.fakes.training import TrainIt
from tests.unit.training.test_training_texts import texts

ASKED: dict[str, Any] = {"privacy_epsilon": 3.0, "privacy_delta": 1e-4, "optimizer": "sgd", "learning_rate": 0.5}


def test_it_spends_what_was_asked_for_and_says_what_it_covers() -> None:
    learned = learn(problem(rows=400), **ASKED, epochs=5, batch_size=40, early_stopping=5)
    assert learned.privacy["delta"] == 1e-4
    assert 2.7 < learned.privacy["epsilon"] <= 3.0
    assert any(
        note.startswith("epsilon covers what the weights learned of the training rows") for note in learned.notes
    )
    assert not hasattr(learned.network, "_module"), "an ordinary network again"
    assert all(not hasattr(parameter, "grad_sample") for parameter in learned.network.parameters())


def test_one_that_stops_early_has_spent_less() -> None:
    learned = learn(problem(rows=400), **ASKED, epochs=40, batch_size=40, early_stopping=1)
    assert len(learned.history) < 40
    assert 0 < learned.privacy["epsilon"] < 2.7


def test_what_reads_texts_by_their_labels_is_not_called_private(train: TrainIt) -> None:
    with pytest.raises(CandidateFailedError, match="what it reads texts by learns from the labels"):
        train("mlp", texts(table=True), **ASKED)


def test_it_learns_in_private() -> None:
    learned = learn(problem(rows=1000), **ASKED, epochs=10, batch_size=100)
    assert max(point["accuracy"] for point in learned.history) > 0.8


def test_without_noise_and_cutting_it_would_be_the_plain_gradient() -> None:
    plain: dict[str, Any] = {"optimizer": "gd", "learning_rate": 0.5, "epochs": 3}
    layer = nn.Linear(2, 2)

    def build() -> nn.Module:
        made = nn.Linear(2, 2)
        made.load_state_dict(layer.state_dict())
        return made

    private = learn(problem(), build, **plain, privacy_epsilon=1e9, privacy_norm=10.0)
    for one, other in zip(
        private.network.parameters(), learn(problem(), build, **plain).network.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-2, rtol=0)


def test_no_row_moves_the_weights_further_than_its_norm() -> None:
    """One row is scaled until its own gradient would be all there is."""
    given = problem(rows=50)
    given.train.num[0] = 1e4
    kept = Kept()
    torch.manual_seed(given.seed)
    start = nn.Linear(2, 2).state_dict()
    settings: dict[str, Any] = {"privacy_epsilon": 1e9, "privacy_norm": 0.1, "optimizer": "gd", "learning_rate": 1.0}
    learn(problem(train=given.train, checkpoints=kept), lambda: nn.Linear(2, 2), **settings, epochs=1)
    moved = torch.cat([(kept.weights()[name] - was).flatten() for name, was in start.items()])
    assert moved.norm() <= 0.1 * 1.01


def test_the_noise_is_of_no_seed_that_is_known() -> None:
    first, second = (learn(problem(), **ASKED, epochs=1, batch_size=16) for _ in range(2))
    assert weights(first.network) != weights(second.network)


def test_an_interrupted_one_spends_nothing_twice() -> None:
    class StopError(Exception):
        pass

    def stop(point: Any) -> None:
        if point["epoch"] == 3:
            raise StopError

    kept = Kept()
    settings: dict[str, Any] = {**ASKED, "epochs": 5, "batch_size": 40, "early_stopping": 5}
    with pytest.raises(StopError):
        learn(problem(rows=400, checkpoints=kept, watch=stop), **settings)
    learned = learn(problem(rows=400, checkpoints=kept), **settings)
    assert len(learned.history) == 5
    assert 2.7 < learned.privacy["epsilon"] <= 3.0


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "normalized_gd", "nesterov"])
def test_any_optimizer_takes_private_gradients(optimizer: str) -> None:
    learned = learn(problem(), **{**ASKED, "optimizer": optimizer, "learning_rate": 0.01}, epochs=2)
    assert learned.privacy["epsilon"] <= 3.0


def test_an_ensemble_learns_in_private() -> None:
    learned = learn(problem(rows=400), lambda: Ensemble(3, 2), **ASKED, epochs=5, batch_size=40)
    assert max(point["accuracy"] for point in learned.history) > 0.75


def test_batch_norms_which_see_a_rows_neighbours_become_group_norms() -> None:
    learned = learn(
        problem(), lambda: nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)), **ASKED, epochs=1
    )
    assert isinstance(learned.network[1], nn.GroupNorm)  # type: ignore[index]
    assert learned.notes[0] == "private training: its batch norms became group norms"


def test_what_cannot_be_private_is_not_trained() -> None:
    with pytest.raises(CandidateFailedError, match="is not possible here: mixup gives a row its neighbours' pixels"):
        learn(problem(), **ASKED, mixup=0.2)


@pytest.mark.parametrize("algorithm", ["mlp", "tabm", "resnet_mlp"])
def test_a_network_is_private_from_its_embeddings_to_its_record(algorithm: str, train: TrainIt) -> None:
    run = train(algorithm, table(rows=400), privacy_epsilon=8.0, privacy_delta=1e-3, epochs=3)
    assert 0 < run.trained.privacy["epsilon"] <= 8.0
    assert run.trained.privacy["delta"] == 1e-3
    assert run.difference() < 1e-5
