"""A small residual network; images are shifted, turned and scaled a little while it learns."""

from __future__ import annotations

from pipeline.contracts.algorithm_spec import Allowed, Cost, Range, SettingsOverride
from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings
from pipeline.training.networks.config import NETWORK_DEFAULTS

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> FittedModel:
    """``hidden``: the channels of each group, of ``blocks`` residual blocks."""
    from pipeline.training.networks.images import ResNet, train_images

    def build(outputs: int) -> ResNet:
        return ResNet(
            problem.built_from(settings).image, outputs=outputs, widths=settings["hidden"], blocks=settings["blocks"],
            dropout=settings["dropout"], jitter=settings["jitter"],
        )  # fmt: skip

    return train_images(build, settings, problem)


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="resnet",
        tasks=("classification", "regression"),
        reads=("image",),
        must_read=("image",),
        needs="gpu",
        good_at="a residual network: deeper than cnn, for harder images",
        defaults={
            **NETWORK_DEFAULTS,
            "hidden": (16, 32, 64),
            "blocks": 1,
            "dropout": 0.1,
            "jitter": True,
            "epochs": 12,
            "batch_size": 128,
            "learning_rate": 3e-3,
            "weight_decay": 1e-2,
            "schedule": "one_cycle",
            "early_stopping": 12,  # the last epochs of one_cycle are the best
        },
        allowed={
            "hidden": Allowed(minimum=1, maximum=8192, whole=True, min_length=1),
            "blocks": Allowed(minimum=1, maximum=100, whole=True),
        },
        adjustments=(
            SettingsOverride(rows_up_to=20_000, settings={"epochs": 30, "batch_size": 64, "early_stopping": 30}),
            SettingsOverride(rows_up_to=2_000, settings={"epochs": 60, "batch_size": 32, "early_stopping": 60}),
        ),
        space={
            "learning_rate": Range(low=3e-4, high=1e-2, log=True),
            "hidden": ((16, 32, 64), (32, 64, 128), (64, 128, 256)),
            "blocks": (1, 2, 3),
            "weight_decay": Range(low=1e-4, high=1e-1, log=True),
            "mixup": (0.0, 0.2),
        },
        cost=Cost(
            measured="2026-11-24, one thread of a 2-core EPYC, 54,000 images of 28 x 28",
            seconds=5,
            seconds_per_million_cells=3.5,
            bytes=320_000,
            latency_us=200,
        ),
        least_rows=30,
        most_classes=1000,
        knobs=True,
        turn=65,
    ),
    no_int8="convolutions are slower with weights that are quantized as they run, and static int8 is not made yet",
    log_links=("poisson",),
    tolerance=1e-4,  # the same float32 sums in another order
    train=_train,
)
