"""The hyper-parameters of the training loop, which every network has, with their bounds.

``training`` in train.yaml uses the same types (contracts.spec.training.Training).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pipeline.contracts.algorithms.config import AlgorithmConfig, hyperparameter

__all__ = [
    "L1",
    "L2",
    "Averaging",
    "BatchSize",
    "Batching",
    "Dropout",
    "EarlyStopping",
    "Epochs",
    "FocalGamma",
    "GradientNorm",
    "Hidden",
    "HuberDelta",
    "LabelSmoothing",
    "LearningRate",
    "Loss",
    "LossName",
    "Mixup",
    "Momentum",
    "NetworkConfig",
    "NumberFormat",
    "Optimizer",
    "OptimizerName",
    "Pieces",
    "Quantiles",
    "RateDecay",
    "Schedule",
    "ScheduleName",
    "SharedBits",
    "Sparsity",
    "StepEpochs",
    "Warmup",
    "WeightDecay",
]

OptimizerName = Literal[
    "gd", "normalized_gd", "sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "muon",
]  # fmt: skip
ScheduleName = Literal["constant", "step", "exponential", "cosine", "warmup", "one_cycle", "plateau"]
LossName = Literal["cross_entropy", "focal", "mse", "mae", "huber", "quantile"]
_Rows = Annotated[int, hyperparameter("Rows per batch.", unit="rows", ge=1, le=65_536)]

Epochs = Annotated[int, hyperparameter("Maximum passes over the training rows.", unit="epochs", ge=1, le=1000)]
Optimizer = Annotated[OptimizerName, hyperparameter("Rule that updates the weights from the gradient.")]
LearningRate = Annotated[float, hyperparameter("Step size of the optimizer, before the schedule.", gt=0, le=10)]
Momentum = Annotated[float, hyperparameter("Momentum of the optimizers momentum and nesterov.", ge=0, lt=1)]
Schedule = Annotated[ScheduleName, hyperparameter("How the learning rate changes during training.")]
Warmup = Annotated[
    float,
    hyperparameter("Share of all steps in which the learning rate rises.", unit="share of steps", ge=0, lt=1),
]
RateDecay = Annotated[
    float, hyperparameter("Factor of the learning rate in the schedules step, exponential and plateau.", gt=0, le=1)
]
StepEpochs = Annotated[
    int,
    hyperparameter(
        "Epochs between decays (step, exponential), or without a lower loss (plateau).",
        unit="epochs",
        ge=1,
        le=1000,
    ),
]
BatchSize = Annotated[
    _Rows | tuple[_Rows, _Rows],
    hyperparameter("Rows per batch; two numbers are the range of the batchings random and growing.", unit="rows"),
]
Batching = Annotated[
    Literal["fixed", "full", "random", "growing"],
    hyperparameter("Batches of fixed size, of all rows, of random size, or of growing size (Smith et al. 2018)."),
]
Loss = Annotated[LossName, hyperparameter("Loss that is minimized; null: cross_entropy, or the loss of the metric.")]
LabelSmoothing = Annotated[
    float,
    hyperparameter("Share of a label's weight that is spread over all classes (Szegedy et al. 2016).", ge=0, lt=1),
]
FocalGamma = Annotated[float, hyperparameter("Exponent of the focal loss (Lin et al. 2017).", ge=0, le=10)]
HuberDelta = Annotated[
    float,
    hyperparameter("Error beyond which the Huber loss is linear.", unit="standard deviations of the target", gt=0),
]
Quantiles = Annotated[
    tuple[Annotated[float, hyperparameter("A quantile.", gt=0, lt=1)], ...],
    hyperparameter("Quantiles of the target that are predicted besides the value."),
]
Hidden = Annotated[
    tuple[Annotated[int, hyperparameter("Width of a layer.", ge=1, le=8192)], ...],
    hyperparameter("Width of each hidden layer; of a convolutional network, channels of each group.", unit="units"),
]
Dropout = Annotated[float, hyperparameter("Share of the units that a training step drops.", ge=0, lt=1)]
L1 = Annotated[float, hyperparameter("Weight of the sum of absolute weights in the loss.", ge=0, le=10)]
L2 = Annotated[float, hyperparameter("Weight of half the sum of squared weights in the loss.", ge=0, le=10)]
WeightDecay = Annotated[
    float,
    hyperparameter("Weight decay, decoupled from the gradient (Loshchilov and Hutter 2019).", ge=0, le=10),
]
GradientNorm = Annotated[float, hyperparameter("Norm to which a larger gradient is clipped; 0: no clipping.", ge=0)]
Mixup = Annotated[
    float, hyperparameter("Alpha of mixup, which blends pairs of images (Zhang et al. 2018); 0: none.", ge=0, le=10)
]
Averaging = Annotated[
    Literal["none", "ema", "swa"],
    hyperparameter("Average of the weights: exponential over steps, or over late epochs."),
]
Sparsity = Annotated[
    float,
    hyperparameter("Share of the weights that is pruned during training.", unit="share of weights", ge=0, lt=1),
]
SharedBits = Annotated[
    int, hyperparameter("Bits that index the shared values of a weight matrix; 0: no sharing.", unit="bits", ge=0, le=8)
]
EarlyStopping = Annotated[
    int,
    hyperparameter("Epochs without a lower validation loss before training ends.", unit="epochs", ge=1, le=1000),
]
Pieces = Annotated[
    int,
    hyperparameter(
        "Pieces of a number's range that the network reads one by one, at most; fewer where columns are many.",
        unit="pieces",
        ge=2,
        le=256,
    ),
]
NumberFormat = Annotated[Literal["fp32", "bf16"], hyperparameter("Number format of the forward and backward passes.")]


class NetworkConfig(AlgorithmConfig):
    """Hyper-parameters of the training loop, which all networks have. An algorithm's config changes some defaults."""

    epochs: Epochs = 30
    optimizer: Optimizer = "adamw"
    learning_rate: LearningRate = 1e-3
    momentum: Momentum = 0.9
    schedule: Schedule = "constant"
    warmup: Warmup = 0.0
    decay: RateDecay = 0.5
    step_epochs: StepEpochs = 5
    batch_size: BatchSize = 256
    batching: Batching = "fixed"
    loss: Loss | None = None
    label_smoothing: LabelSmoothing = 0.0
    focal_gamma: FocalGamma = 2.0
    huber_delta: HuberDelta = 1.0
    quantiles: Quantiles = ()
    hidden: Hidden = ()
    dropout: Dropout = 0.0
    l1: L1 = 0.0
    l2: L2 = 0.0
    weight_decay: WeightDecay = 0.0
    max_gradient_norm: GradientNorm = 0.0
    mixup: Mixup = 0.0
    averaging: Averaging = "none"
    sparsity: Sparsity = 0.0
    shared_bits: SharedBits = 0
    early_stopping: EarlyStopping = 5
    precision: NumberFormat = "fp32"
    privacy_epsilon: Annotated[
        float, hyperparameter("Epsilon of DP-SGD (Abadi et al. 2016); 0: none.", set_by="training.privacy", ge=0)
    ] = 0.0
    privacy_delta: Annotated[float, hyperparameter("Delta of DP-SGD.", set_by="training.privacy", gt=0, lt=1)] = 1e-5
    privacy_norm: Annotated[
        float, hyperparameter("Norm to which DP-SGD clips the gradient of a row.", set_by="training.privacy", gt=0)
    ] = 1.0
    parallel: Annotated[
        Literal["none", "ddp", "fsdp", "tensor"],
        hyperparameter("How several processes train one network.", set_by="training.parallel"),
    ] = "none"
    base_model: Annotated[
        str,
        hyperparameter(
            "Registered version whose weights training starts from; empty: none.", set_by="training.base_model"
        ),
    ] = ""
    freeze: Annotated[
        bool,
        hyperparameter(
            "Whether the weights of base_model are frozen and only the last layer is trained.", set_by="training.freeze"
        ),
    ] = False

    @property
    def trains_one_model(self) -> bool:
        """Return whether the candidate is one network, not a bag: private, fine-tuned, or by several processes."""
        return bool(self.privacy_epsilon or self.base_model or self.parallel != "none")
