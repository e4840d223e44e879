"""A neural network, with embeddings for the categories, or over an image's pixels; its weight matrices can be int8."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.contracts.algorithm_spec import Cost, Range, SettingsOverride
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings
from pipeline.training.features.text_inputs import with_text_features
from pipeline.training.networks.config import NETWORK_DEFAULTS

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> FittedModel:
    """Until the validation loss has not improved for ``early_stopping`` epochs; the best weights are kept."""
    if problem.train.image.size:
        return _train_on_images(settings, problem)
    from pipeline.training.loop.fit import fit_network
    from pipeline.training.loop.inputs import columns
    from pipeline.training.loop.losses import outputs_of
    from pipeline.training.networks.tabular_mlp import TabularMLP

    def build() -> TabularMLP:
        return TabularMLP(
            problem.built_from(settings).num, problem.cardinalities,
            outputs=outputs_of(settings, problem), hidden=settings["hidden"], dropout=settings["dropout"],
        )  # fmt: skip

    return fit_network(build, columns("num", "cat"), settings, problem)


def _train_on_images(settings: Settings, problem: Problem) -> FittedModel:
    from pipeline.training.networks.images import PixelMLP, train_images

    def build(outputs: int) -> PixelMLP:
        return PixelMLP(
            problem.built_from(settings).image, outputs=outputs, hidden=settings["hidden"],
            dropout=settings["dropout"],
        )  # fmt: skip

    return train_images(build, settings, problem)


def _side_by_side(trials: Sequence[Settings], problem: Problem) -> Sequence[FittedModel] | None:
    from pipeline.training.search.stacked_trials import can_stack, fit_stacked

    return fit_stacked(trials, problem) if can_stack(trials, problem) else None


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="mlp",
        tasks=("classification", "regression"),
        reads=("num", "cat", "image"),
        needs="gpu",
        good_at="a network with embeddings for categories; can be quantized to int8",
        defaults={
            **NETWORK_DEFAULTS,
            "hidden": (512, 256),
            "dropout": 0.1,
            "epochs": 15,
            "batch_size": 1024,
            "learning_rate": 1e-3,
            "weight_decay": 1e-4,
            "early_stopping": 3,
        },
        # Few rows: small steps and more dropout; many: fewer, larger batches.
        adjustments=(
            SettingsOverride(
                rows_up_to=200_000,
                settings={"hidden": (256, 128), "epochs": 30, "batch_size": 256, "early_stopping": 5},
            ),
            SettingsOverride(
                rows_up_to=20_000,
                settings={"hidden": (128, 64), "epochs": 60, "batch_size": 128, "early_stopping": 8},
            ),
            SettingsOverride(
                rows_up_to=2_000,
                settings={"hidden": (64, 32), "dropout": 0.2, "epochs": 100, "batch_size": 32, "early_stopping": 15},
            ),
        ),
        space={
            "learning_rate": Range(low=1e-4, high=1e-2, log=True),
            "hidden": ((64, 32), (128, 64), (256, 128), (256, 256)),
            "dropout": Range(low=0.0, high=0.5),
            "weight_decay": Range(low=1e-6, high=1e-1, log=True),
        },
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 2,000 to 60,000 rows",
            seconds=5,
            seconds_per_million_cells=60,
            bytes=30_000,
            bytes_per_row=5,
            most_bytes=1_000_000,
            latency_us=26,
        ),
        least_rows=100,
        most_classes=1000,
        knobs=True,
        turn=60,
    ),
    log_links=("poisson",),
    tolerance=1e-4,  # the same float32 sums in another order
    train=with_text_features(_train),
    side_by_side=_side_by_side,
)
