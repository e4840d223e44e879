"""TabM with piecewise-linear embeddings: an ensemble of networks that share most weights, in one graph."""

from __future__ import annotations

from pipeline.contracts.algorithm_spec import Allowed, Cost, Range, SettingsOverride
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings
from pipeline.training.networks.config import NETWORK_DEFAULTS

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> FittedModel:
    """Each member learns by itself; the loop stops by what they answer together, which the exported graph does too."""
    from pipeline.training.loop.fit import fit_network
    from pipeline.training.loop.inputs import columns
    from pipeline.training.loop.losses import outputs_of
    from pipeline.training.networks.tabular import TabMNetwork

    def build() -> TabMNetwork:
        return TabMNetwork(
            problem.built_from(settings).num, problem.cardinalities,
            outputs=outputs_of(settings, problem), members=settings["members"],
            hidden=settings["hidden"], bins=settings["bins"], dropout=settings["dropout"],
        )  # fmt: skip

    return fit_network(build, columns("num", "cat"), settings, problem)


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="tabm",
        tasks=("classification", "regression"),
        reads=("num", "cat"),
        needs="gpu",
        good_at="usually the best network on tables: an ensemble with shared weights; helps a blend with trees",
        defaults={
            **NETWORK_DEFAULTS,
            "members": 16,
            "bins": 48,
            "hidden": (128, 128),
            "dropout": 0.1,
            "epochs": 30,
            "batch_size": 256,
            "learning_rate": 2e-3,
            "weight_decay": 3e-4,
            "schedule": "cosine",
            "early_stopping": 8,
        },
        allowed={
            "members": Allowed(minimum=1, maximum=256, whole=True),
            "bins": Allowed(minimum=2, maximum=1_024, whole=True),
            "hidden": Allowed(minimum=1, maximum=8192, whole=True, min_length=1),
        },
        adjustments=(
            SettingsOverride(rows_over=10_000, settings={"epochs": 15, "early_stopping": 4}),  # five folds take minutes
            SettingsOverride(rows_over=100_000, settings={"epochs": 8, "batch_size": 1024, "early_stopping": 3}),
            SettingsOverride(rows_up_to=5_000, settings={"batch_size": 64, "early_stopping": 12}),
        ),
        space={
            "learning_rate": Range(low=3e-4, high=5e-3, log=True),
            "hidden": ((128, 128), (256, 256), (256, 256, 256)),
            "dropout": Range(low=0.0, high=0.5),
            "weight_decay": Range(low=1e-5, high=1e-1, log=True),
            "bins": (16, 32, 48, 96),
        },
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, tables of 15,000 and 29,000 rows",
            seconds=5,
            seconds_per_million_cells=300,
            bytes=400_000,
            bytes_per_row=0,
            most_bytes=4_000_000,
            latency_us=100,
        ),
        least_rows=500,
        most_rows=20_000,  # of more, minutes on a CPU: asked for by name it takes them
        most_cells=600_000,  # five trainings of 3 minutes
        most_classes=100,
        knobs=True,
        turn=70,
    ),
    log_links=("poisson",),
    tolerance=1e-4,  # the same float32 sums in another order
    train=_train,
)
