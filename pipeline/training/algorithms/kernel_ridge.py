"""Kernel ridge regression and classification: a smooth model in closed form, often the best on few rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pipeline.contracts.algorithms.config import AlgorithmConfig, hyperparameter, search_range, search_values
from pipeline.contracts.algorithms.spec import AlgorithmSpec, Cost
from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Algorithm, FittedModel, RunContext, TrainingTask
from pipeline.training.features.text_inputs import with_text_features

__all__ = ["ALGORITHM", "KernelRidgeConfig"]

_MAX_ROWS = 10_000  # the kernel matrix then has 800 MB; fitting takes 1.2 times that memory, and 25 s on one thread


class KernelRidgeConfig(AlgorithmConfig):
    """Hyper-parameters of kernel ridge regression."""

    kernel: Annotated[
        Literal["auto", "gaussian", "exponential"],
        hyperparameter("Kernel; auto: the one with the lowest leave-one-out error."),
        search_values("gaussian", "exponential"),
    ] = "auto"
    width: Annotated[
        float,
        hyperparameter(
            "Width of the kernel; 0: the one with the lowest leave-one-out error.",
            unit="1 / median squared distance of the rows",
            ge=0,
            le=1e10,
        ),
        search_range(0.01, 10.0, log=True),
    ] = 0.0
    penalty: Annotated[
        float,
        hyperparameter("L2 penalty; 0: the one with the lowest leave-one-out error.", ge=0, le=1e10),
        search_range(1e-3, 10.0, log=True),
    ] = 0.0


def _train(config: KernelRidgeConfig, task: TrainingTask, context: RunContext) -> FittedModel:
    """Fit a kernel machine; settings with the value ``auto`` or 0 are chosen by the leave-one-out error."""
    from numpy.linalg import LinAlgError

    from pipeline.training.estimators.kernel_machine import KERNELS, KernelMachine
    from pipeline.training.export.bodies import core_graph
    from pipeline.training.features.preprocessing import one_hot_features_of_frequent

    if len(task.train) > _MAX_ROWS:
        raise CandidateFailedError(
            f"kernel_ridge compares every pair of rows: at most {_MAX_ROWS:,} training rows are expected, and there "
            f"are {len(task.train):,}"
        )
    preprocessing, features = one_hot_features_of_frequent(task)
    if not preprocessing.width:
        raise CandidateFailedError(
            "kernel_ridge compares rows by numbers and by categories that at least two of them share: there are none "
            "here"
        )
    try:
        machine = KernelMachine.of(
            features,
            task,
            scaled=preprocessing.width - len(preprocessing.one_hot),  # one-hot columns stay unscaled
            kinds=KERNELS if config.kernel == "auto" else (config.kernel,),
            widths=(config.width,) if config.width else (),
            penalties=(config.penalty,) if config.penalty else (),
            context=context,
        )
    except LinAlgError as error:
        raise CandidateFailedError(
            f"kernel_ridge: with penalty {config.penalty} its matrix has no inverse: a larger one is expected"
        ) from error
    weight, fitted = task.train.weight, len(machine.rows)
    rows = len(task.train) if weight is None else int((weight > 0).sum())
    note = f"training time ran out: it was fitted on a random sample of {fitted:,} of {rows:,} rows"
    return FittedModel(
        notes=(note,) if fitted < rows else (),
        predict=lambda rows: machine.predict(preprocessing.apply(rows)),
        body=lambda: core_graph(preprocessing, machine.graph()),
    )


ALGORITHM = Algorithm(
    config=KernelRidgeConfig,
    spec=AlgorithmSpec(
        name="kernel_ridge",
        supported_inputs=("num", "cat"),
        strengths="few rows: smooth predictions in closed form, the kernel width chosen by leave-one-out",
        hyperparameters=KernelRidgeConfig.describe(),
        cost=Cost(
            measured="2026-11-28, one thread of a 2-core EPYC, tables of 130 to 1,400 rows",
            seconds=1.5,
            seconds_per_million_cells=20,
            bytes=20_000,
            bytes_per_row=500,
            latency_us=100,
        ),
        max_rows=2_500,  # with more, others are better and smaller; planned only if the spec names it
        max_cells=600_000,  # each of five models stores its training rows, with 8 bytes per cell: 20 MB
        max_classes=50,
        training_order=15,
    ),
    no_int8="its sums of many large kernels of both signs need exact numbers",
    train=with_text_features(_train),
)
