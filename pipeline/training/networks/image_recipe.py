"""What the convolutional networks declare alike. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.contracts.algorithm_spec import AlgorithmSpec, Allowed, Cost, Range, Settings, SettingsOverride, Space
from pipeline.training.algorithm import FittedModel, Problem, Recipe
from pipeline.training.algorithm import Settings as Chosen
from pipeline.training.networks.config import NETWORK_DEFAULTS

__all__ = ["image_recipe"]

_FEW_ROWS, _FEWER_ROWS = 20_000, 2_000


def image_recipe(  # noqa: PLR0913 - what they differ in, each by its name
    *,
    name: str,
    good_at: str,
    train: Callable[[Chosen, Problem], FittedModel],
    settings: Settings,
    space: Space,
    epochs: tuple[int, int, int],
    cost: Cost,
    turn: int,
) -> Recipe:
    """Declare a convolutional network.

    Args:
        name: Of the algorithm.
        good_at: The reason that a plan gives for it.
        train: Trains it.
        settings: Its own, and those in which it differs from the others.
        space: What a search tries beside the settings of all of them.
        epochs: Of many rows, of up to 20,000, and of up to 2,000.
        cost: As measured.
        turn: Its place among a job's candidates.
    """
    many, few, fewer = epochs
    return Recipe(
        declares=AlgorithmSpec(
            name=name,
            tasks=("classification", "regression"),
            reads=("image",),
            must_read=("image",),
            needs="gpu",
            good_at=good_at,
            defaults={
                **NETWORK_DEFAULTS,
                "hidden": (16, 32, 64),
                **settings,
                "jitter": True,
                "epochs": many,
                "batch_size": 128,
                "learning_rate": 3e-3,
                "weight_decay": 1e-2,
                "schedule": "one_cycle",
                "early_stopping": many,  # the last epochs of one_cycle are the best
            },
            allowed={
                "hidden": Allowed(minimum=1, maximum=8192, whole=True, min_length=1),
                **{key: Allowed(minimum=1, maximum=100, whole=True) for key in settings if key == "blocks"},
            },
            adjustments=(
                _adjustment(_FEW_ROWS, few, batch_size=64),
                _adjustment(_FEWER_ROWS, fewer, batch_size=32),
            ),
            space={
                "learning_rate": Range(low=3e-4, high=1e-2, log=True),
                "hidden": ((16, 32, 64), (32, 64, 128), (64, 128, 256)),
                **space,
                "weight_decay": Range(low=1e-4, high=1e-1, log=True),
                "mixup": (0.0, 0.2),
            },
            cost=cost,
            least_rows=30,
            most_classes=1000,
            knobs=True,
            turn=turn,
        ),
        no_int8="convolutions are slower with weights that are quantized as they run, and static int8 is not made yet",
        log_links=("poisson",),
        tolerance=1e-4,  # the same float32 sums in another order
        train=train,
    )


def _adjustment(rows: int, epochs: int, *, batch_size: int) -> SettingsOverride:
    settings: Settings = {"epochs": epochs, "batch_size": batch_size, "early_stopping": epochs}
    return SettingsOverride(rows_up_to=rows, settings=settings)
