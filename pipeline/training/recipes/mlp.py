"""A neural network with embeddings for the categories; its weight matrices can be int8."""

from __future__ import annotations

from pipeline.training.recipe import Fitted, Problem, Recipe, Settings

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> Fitted:
    """Until the validation loss has not improved for ``early_stopping`` epochs; the best weights are kept."""
    from pipeline.training.answering import Answering
    from pipeline.training.loop import train_network

    network, history = train_network(settings, problem)
    answering = Answering(network, classes=problem.classes)
    return Fitted(
        predict=answering.answers,
        body=lambda: answering.body(problem.train),
        history=history,
        weights=network.state_dict(),
    )


RECIPE = Recipe(
    name="mlp",
    tasks=("classification", "regression"),
    needs="gpu",
    quantizable=True,
    tolerance=1e-4,  # the same float32 sums in another order
    settings={
        "hidden": (128, 64),
        "dropout": 0.1,
        "epochs": 50,
        "batch_size": 256,
        "learning_rate": 2e-3,
        "weight_decay": 1e-4,
        "early_stopping": 6,
    },
    train=_train,
)
