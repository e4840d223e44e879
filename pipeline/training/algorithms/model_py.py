"""The network that the user's ``model.py`` builds (training.networks.user_model)."""

from __future__ import annotations

from typing import Annotated

from pipeline.contracts.algorithms.config import hyperparameter
from pipeline.contracts.algorithms.network_config import EarlyStopping, Epochs, NetworkConfig
from pipeline.contracts.algorithms.spec import AlgorithmSpec
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask

__all__ = ["ALGORITHM", "ModelPyConfig"]


class ModelPyConfig(NetworkConfig):
    """Hyper-parameters of the training loop for the user's network."""

    code: Annotated[str, hyperparameter("JSON of the values passed to the Settings of model.py.", set_by="code")] = "{}"
    epochs: Epochs = 50
    early_stopping: EarlyStopping = 8


def _train(config: ModelPyConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Train the user's network with the common training loop. Call only in the sandbox process (jobs.sandbox)."""
    from pipeline.training.loop.fit import fit_network
    from pipeline.training.loop.inputs import columns
    from pipeline.training.loop.losses import outputs_of
    from pipeline.training.networks.user_model import ModelShape, UserModel, load_user_model

    assert task.code is not None, "a plan has this candidate only with a model.py"
    code = task.code
    rows = task.train
    shape = ModelShape(
        numbers=rows.num.shape[1],
        cardinalities=task.cardinalities,
        image=tuple(rows.image.shape[1:]) if rows.image.size else (),
        outputs=outputs_of(config, task),
    )
    input_widths = {"num": shape.numbers, "cat": len(shape.cardinalities), "image": len(shape.image)}
    inputs = tuple(name for name, width in input_widths.items() if width)

    def build() -> UserModel:
        return UserModel(load_user_model(code, config.code, shape), rows.num, reads=inputs)

    return fit_network(build, columns(*inputs), config, task, context)


ALGORITHM = Algorithm(
    config=ModelPyConfig,
    spec=AlgorithmSpec(
        name="model_py",
        supported_inputs=("num", "cat", "image"),
        queue="gpu",
        strengths="your own architecture from model.py",
        hyperparameters=ModelPyConfig.describe(),
        has_user_code=True,
        is_network=True,
        training_order=90,
    ),
    train=_train,
)
