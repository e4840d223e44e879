"""A small residual network; images are shifted, turned and scaled a little while it learns."""

from __future__ import annotations

from pipeline.contracts.algorithm_spec import Cost
from pipeline.training.algorithm import FittedModel, Problem, Settings
from pipeline.training.networks.image_recipe import image_recipe

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


RECIPE = image_recipe(
    name="resnet",
    good_at="a residual network: deeper than cnn, for harder images",
    train=_train,
    settings={"blocks": 1, "dropout": 0.1},
    space={"blocks": (1, 2, 3)},
    epochs=(12, 30, 60),
    cost=Cost(
        measured="2026-11-24, one thread of a 2-core EPYC, 54,000 images of 28 x 28",
        seconds=5,
        seconds_per_million_cells=3.5,
        bytes=320_000,
        latency_us=200,
    ),
    turn=65,
)
