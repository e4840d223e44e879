"""The stages of a training step, and the evaluation of the validation rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.distributed.batch_norm import batch_norms
from pipeline.training.loop.device_data import DeviceBatch
from pipeline.training.loop.inference import to_predictions
from pipeline.training.loop.inputs import split_blocks
from pipeline.training.loop.losses import member_mean
from pipeline.training.loop.metrics import epoch_metric
from pipeline.training.loop.state import TrainingComponents, TrainingState

__all__ = [
    "add_penalty_gradients",
    "backward",
    "clip_gradients",
    "compute_losses",
    "evaluate",
    "forward",
    "mix_up",
    "retry_on_oom",
    "update_bn",
    "zero_gradients",
]

T = TypeVar("T")
_OUT_OF_MEMORY = "memory ran out"


def zero_gradients(components: TrainingComponents) -> None:
    """Discard the gradients of the previous step."""
    if components.dp_sgd:
        components.dp_sgd.zero()
    for parameter in components.optimizer.parameters:
        parameter.grad = None


def mix_up(components: TrainingComponents, batch: DeviceBatch) -> DeviceBatch:
    """Mix each row with another one at random, if the setting ``mixup`` asks for it.

    References:
        Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization.
    """
    alpha = components.config.mixup
    if not alpha:
        return batch
    mix = torch.distributions.Beta(alpha, alpha).sample().to(components.device)
    mixed_with = torch.randperm(len(batch.target), device=components.device)
    inputs = [torch.lerp(values[mixed_with].float(), values.float(), mix) for values in batch.inputs]
    return DeviceBatch(inputs=inputs, target=batch.target, weight=batch.weight, mixed_with=mixed_with, mix=mix)


def forward(components: TrainingComponents, inputs: list[Tensor]) -> Tensor:
    """Return the model's outputs [rows, ...] as float32, computed with the precision of the config."""
    if components.config.precision != "bf16":
        outputs: Tensor = components.model(*inputs)
        return outputs
    with torch.autocast(torch.device(components.device).type, torch.bfloat16):
        outputs = components.model(*inputs)
    return outputs.float()


def compute_losses(components: TrainingComponents, outputs: Tensor, batch: DeviceBatch) -> Tensor:
    """Return the weighted loss of each row [rows]; with mixup, interpolate the losses of both mixed targets."""
    losses = components.loss(outputs, batch.target)
    if batch.mixed_with is None or batch.mix is None:
        return losses if batch.weight is None else losses * batch.weight
    mixed_losses = components.loss(outputs, batch.target[batch.mixed_with])
    if batch.weight is not None:
        losses, mixed_losses = losses * batch.weight, mixed_losses * batch.weight[batch.mixed_with]
    return torch.lerp(mixed_losses, losses, batch.mix)


def backward(components: TrainingComponents, loss: Tensor, scale: Tensor) -> None:
    """Add the gradients of a loss to the gradients of the step; DP-SGD first clips the gradient of each row.

    Args:
        components: The components of the training.
        loss: Sum of the losses of the batch's rows.
        scale: Factor of the gradients; not used by DP-SGD, which divides by the expected batch size.
    """
    if components.dp_sgd:
        components.dp_sgd.backward(loss)
    else:
        # Equivalent to loss.backward(scale), which would import sympy to compare the shapes.
        (loss * scale).backward()  # type: ignore[no-untyped-call]  # torch has no types for it


def add_penalty_gradients(components: TrainingComponents) -> None:
    """Add the gradients of the penalties: the sign of each weight for L1, the weight itself for L2."""
    l1, l2 = components.config.l1, components.config.l2
    if not (l1 or l2):
        return
    parameters = _parameters_with_gradient(components)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    with torch.no_grad():
        if l1:
            torch._foreach_add_(gradients, torch._foreach_sign(parameters), alpha=l1)
        if l2:
            torch._foreach_add_(gradients, parameters, alpha=l2)


def clip_gradients(components: TrainingComponents) -> None:
    """Scale the gradients down to the norm ``max_gradient_norm``, if it is set."""
    if max_norm := components.config.max_gradient_norm:
        nn.utils.clip_grad_norm_(_parameters_with_gradient(components), max_norm, foreach=True)


def _parameters_with_gradient(components: TrainingComponents) -> list[Tensor]:
    return [parameter for parameter in components.optimizer.parameters if parameter.grad is not None]


def evaluate(components: TrainingComponents, max_rows: int) -> tuple[Tensor, dict[str, float]]:
    """Return loss and metric on the validation rows, of an ensemble's mean prediction if the network is one."""
    task, data = components.task, components.validation
    components.model.eval()
    with torch.no_grad():
        blocks = [
            member_mean(forward(components, [tensor.to(data.device) for tensor in block]), classes=task.classes)
            for block in split_blocks(*data.inputs.values(), max_rows=max_rows)
        ]
        outputs, target = torch.cat(blocks), data.target.to(data.device)
        losses = components.loss(outputs, target)
        loss = (losses if data.weight is None else losses * data.weight.to(data.device)).mean()
        return loss, epoch_metric(task, to_predictions(outputs, classes=task.classes), target)


def retry_on_oom(components: TrainingComponents, state: TrainingState, rows: int, compute: Callable[[int], T]) -> T:
    """Call ``compute`` with as many rows as fit into memory; halve their number whenever memory runs out.

    Args:
        components: The components of the training.
        state: State of the training; its ``max_rows`` is updated.
        rows: Number of rows to process at once, if they fit.
        compute: Takes the number of rows that it may process at once.

    Returns:
        What ``compute`` returns.

    Raises:
        CandidateFailedError: A single row does not fit into memory.
    """
    while True:
        max_rows = max(1, min(state.max_rows, rows))
        try:
            return compute(max_rows)
        except RuntimeError as error:
            if not _is_out_of_memory(error) or components.strategy.process.size > 1:
                raise  # the others wait for these gradients; the job is retried with fewer nodes
            if max_rows == 1:
                raise CandidateFailedError(
                    f"{_OUT_OF_MEMORY} with {max_rows} rows at once: a smaller network or batch is expected"
                ) from error
            state.max_rows = max_rows // 2
            note = f"{_OUT_OF_MEMORY}: the batch was halved, to {state.max_rows} rows at once"
            state.add_note(note, replace_prefix=_OUT_OF_MEMORY)
        if components.device.startswith("cuda"):
            torch.cuda.empty_cache()  # outside of ``except``: the traceback holds the tensors that did not fit


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether memory ran out; torch's CPU allocator raises a plain RuntimeError."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def update_bn(components: TrainingComponents, state: TrainingState) -> None:
    """Recompute the statistics of the batch norms over all training rows, for averaged weights.

    Like torch.optim.swa_utils.update_bn, but in blocks that fit into memory and over the rows of all processes.
    """
    data, norms = components.train, batch_norms(components.model)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch then computes the mean over all batches
    components.model.train()
    with torch.no_grad():
        for block in split_blocks(*data.inputs.values(), max_rows=state.max_rows):
            rows, _ = components.strategy.shard_batch(torch.arange(len(block[0])))
            forward(components, [tensor[rows.to(tensor.device)].to(data.device) for tensor in block])
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
