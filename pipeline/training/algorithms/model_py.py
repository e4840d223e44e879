"""The architecture that a user put beside the data: ``model.py`` (training.networks.user_model says what is in it)."""

from __future__ import annotations

from pipeline.training.algorithm import AlgorithmSpec, FittedModel, Problem, Recipe, Settings
from pipeline.training.networks.config import NETWORK_DEFAULTS

__all__ = ["RECIPE"]


def _train(settings: Settings, problem: Problem) -> FittedModel:
    """By the one loop, as the networks here. Only in a process that a user's code may run in (jobs.sandbox)."""
    from pipeline.training.loop.fit import fit_network
    from pipeline.training.loop.inputs import columns
    from pipeline.training.loop.losses import outputs_of
    from pipeline.training.networks.user_model import ModelShape, UserModel, load_user_model

    assert problem.code is not None, "a plan has this candidate only beside a model.py"
    code = problem.code
    rows = problem.train
    shape = ModelShape(
        numbers=rows.num.shape[1],
        cardinalities=problem.cardinalities,
        image=tuple(rows.image.shape[1:]) if rows.image.size else (),
        outputs=outputs_of(settings, problem),
    )
    there = {"num": shape.numbers, "cat": len(shape.cardinalities), "image": len(shape.image)}
    read = tuple(name for name, count in there.items() if count)

    def build() -> UserModel:
        return UserModel(load_user_model(code, settings["code"], shape), rows.num, reads=read)

    return fit_network(build, columns(*read), settings, problem)


RECIPE = Recipe(
    declares=AlgorithmSpec(
        name="model_py",
        tasks=("classification", "regression"),
        reads=("num", "cat", "image"),
        needs="gpu",
        good_at="your own architecture from model.py",
        defaults={**NETWORK_DEFAULTS, "code": "{}", "epochs": 50, "early_stopping": 8},
        brings_code=True,
        knobs=True,
        turn=90,
    ),
    tolerance=1e-4,  # the same float32 sums in another order
    train=_train,
)
