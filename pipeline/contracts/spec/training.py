"""Section ``training`` of train.yaml: the hyper-parameters of all networks, and how they are trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pipeline.contracts.algorithms.hyperparameter import Settings
from pipeline.contracts.algorithms.network_config import (
    L1,
    L2,
    Averaging,
    Batching,
    BatchSize,
    Dropout,
    EarlyStopping,
    Epochs,
    FocalGamma,
    GradientNorm,
    Hidden,
    HuberDelta,
    LabelSmoothing,
    LearningRate,
    Loss,
    Mixup,
    Momentum,
    NumberFormat,
    Optimizer,
    Quantiles,
    RateDecay,
    Schedule,
    SharedBits,
    Sparsity,
    StepEpochs,
    Warmup,
    WeightDecay,
)
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.spec.error_sentences import error_sentences
from pipeline.contracts.spec.field_types import Label, Section
from pipeline.contracts.spec.settings_schema import lift_descriptions

__all__ = ["Parallel", "Privacy", "Training", "merge_training"]


class Parallel(Section):
    """Training on several machines: data parallel, sharded (FSDP2), or model parallel."""

    strategy: Literal["ddp", "fsdp", "tensor"] = "ddp"
    nodes: Annotated[int, Field(ge=1, le=64)] = 1

    @model_validator(mode="after")
    def _require_nodes(self) -> Self:
        if self.strategy != "ddp" and self.nodes == 1:
            raise ValueError(f"strategy {self.strategy} is for several machines: nodes is expected")
        return self


class Privacy(Section):
    """Differentially private training (DP-SGD, Abadi et al. 2016): at most ``epsilon`` is spent at this ``delta``."""

    epsilon: Annotated[float, Field(gt=0)]
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None  # None: 1e-5, or less if there are many rows
    max_gradient_norm: Annotated[float, Field(gt=0)] = 1.0

    def delta_for(self, rows: int) -> float:
        """Return the ``delta`` for a number of training rows.

        The default is 1e-5, or a tenth of 1 / rows if that is smaller: a delta of 1 / rows would allow the publication
        of a complete row (Dwork and Roth 2014, section 2.3).
        """
        return self.delta if self.delta is not None else min(1e-5, 0.1 / rows)


class Training(Section):
    """Hyper-parameters of all networks (NetworkConfig), and how they are trained; None: the plan chooses.

    ``class_weights``: balanced, or a weight for each named class (1 for the other classes).
    """

    model_config = ConfigDict(json_schema_extra=lift_descriptions)

    epochs: Epochs | None = None
    optimizer: Optimizer | None = None
    learning_rate: LearningRate | None = None
    momentum: Momentum | None = None
    schedule: Schedule | None = None
    warmup: Warmup | None = None
    decay: RateDecay | None = None
    step_epochs: StepEpochs | None = None
    batch_size: BatchSize | None = None
    batching: Batching | None = None
    loss: Loss | None = None
    label_smoothing: LabelSmoothing | None = None
    focal_gamma: FocalGamma | None = None
    huber_delta: HuberDelta | None = None
    quantiles: Quantiles | None = None
    class_weights: Literal["balanced"] | dict[Label, Annotated[float, Field(gt=0)]] | None = None
    hidden: Hidden | None = None
    dropout: Dropout | None = None
    l1: L1 | None = None
    l2: L2 | None = None
    weight_decay: WeightDecay | None = None
    max_gradient_norm: GradientNorm | None = None
    mixup: Mixup | None = None
    averaging: Averaging | None = None
    sparsity: Sparsity | None = None
    shared_bits: SharedBits | None = None
    early_stopping: EarlyStopping | None = None
    precision: NumberFormat | None = None
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 60.0  # minimum between checkpoints; 0: after each epoch
    privacy: Privacy | None = None
    parallel: Parallel = Parallel()
    base_model: str | None = None  # tenant/model@alias: registered model that is fine-tuned
    freeze: bool = False  # whether the base model's weights are frozen and only the last layer is trained

    @model_validator(mode="after")
    def _check_dependent_fields(self) -> Self:
        if self.freeze and self.base_model is None:
            raise ValueError("freeze is for a base model: base_model is expected with it")
        ranged = self.batching in ("random", "growing")
        if ranged and not isinstance(self.batch_size, tuple):
            raise ValueError(f"batching {self.batching} needs two sizes, such as batch_size: [32, 256]")
        if isinstance(self.batch_size, tuple) and not ranged:
            raise ValueError("batch_size has two numbers: batching random or growing is expected with them")
        return self

    @property
    def hyperparameters(self) -> Settings:
        """Fields of a NetworkConfig that have a value."""
        return self.model_dump(exclude_none=True, exclude=_NOT_HYPERPARAMETERS)


_NOT_HYPERPARAMETERS = {"class_weights", "checkpoint_seconds", "privacy", "parallel", "base_model", "freeze"}


def merge_training(training: Training, overrides: Settings, where: str) -> Training:
    """Return ``training`` with the hyper-parameters in ``overrides`` replaced.

    Args:
        training: Section for all networks.
        overrides: Hyper-parameters of one network.
        where: Field of train.yaml that contains ``overrides``, for messages.

    Raises:
        InvalidJobSpecError: The combined section is invalid.
    """
    merged = {**training.model_dump(exclude_none=True), **overrides}
    try:
        return Training.model_validate(merged)
    except ValidationError as error:
        sentences = (sentence.removeprefix("train.yaml: ") for sentence in error_sentences(error, Training))
        raise InvalidJobSpecError("; ".join(f"{where}.{sentence}" for sentence in sentences)) from error
