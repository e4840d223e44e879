"""What the training loop does with a batch, and with the rows that are held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

import torch
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Rows
from pipeline.training.loop.inference import merged
from pipeline.training.loop.inputs import InputReader, Inputs, blocks
from pipeline.training.loop.losses import member_mean
from pipeline.training.loop.metrics import epoch_metric
from pipeline.training.loop.state import Progress, Training

__all__ = ["Data", "finish", "gradient", "measured", "retry_on_oom", "update_bn"]

T = TypeVar("T")
_SHORT = "memory ran out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """All rows, on the device where it has room for them. ``weight`` None: all count the same."""

    inputs: Inputs
    target: Tensor
    weight: Tensor | None
    device: str

    @classmethod
    def of(cls, reads: InputReader, rows: Rows, device: str) -> Self:
        target = torch.from_numpy(rows.target)
        target = target.to(torch.float32 if target.is_floating_point() else torch.int64)
        weight = None if rows.weight is None else torch.from_numpy(rows.weight)
        here = cls(inputs=reads(rows), target=target, weight=weight, device=device)
        try:
            return here._moved()
        except torch.OutOfMemoryError:  # each batch is brought there when it is learned from
            return here

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Tensor) -> tuple[list[Tensor], Tensor, Tensor | None]:
        """Inputs, target and weight of these, on the device."""
        places = rows.to(self.target.device)
        # A third of the time that tensor[places] takes.
        inputs = [tensor.index_select(0, places).to(self.device) for tensor in self.inputs.values()]
        weight = None if self.weight is None else self.weight.index_select(0, places).to(self.device)
        return inputs, self.target.index_select(0, places).to(self.device), weight

    def _moved(self) -> Self:
        return type(self)(
            inputs={name: tensor.to(self.device) for name, tensor in self.inputs.items()},
            target=self.target.to(self.device),
            weight=None if self.weight is None else self.weight.to(self.device),
            device=self.device,
        )


def gradient(training: Training, data: Data, rows: Tensor, share: float, most: int) -> Tensor:
    """Leave the gradient of the mean loss of ``rows``, times ``share``, with the weights; that loss.

    ``most``: rows that go through the network at once; the gradients of such parts add up to the same.
    """
    private = training.private
    if training.written_out and len(rows) <= most:
        (given,), target, _ = data.take(rows)
        return training.written_out.learn(given, target, share)
    if private:
        private.zero()
    for parameter in training.descent.parameters:
        parameter.grad = None
    scale = torch.tensor(share / max(1, len(rows)), device=training.device)
    total = torch.zeros((), device=training.device)
    for part in torch.split(rows, most) if len(rows) > most else (rows,):
        loss = _losses(training, *data.take(part)).sum()
        if private:
            private.backward(loss)
        else:
            # As loss.backward(scale), which imports sympy to compare the shapes.
            (loss * scale).backward()  # type: ignore[no-untyped-call]  # torch has no types for it
        total = torch.addcmul(total, loss.detach(), scale)
    return total


def finish(training: Training) -> None:
    """Noise, the penalties' own gradients (L1: its sign; L2: the weight itself), and a bound to the norm."""
    settings = training.settings
    if training.private:
        training.private.finish_gradients()
    l1, l2, bound = settings["l1"], settings["l2"], settings["max_gradient_norm"]
    if not (l1 or l2 or bound):
        return
    parameters = [one for one in training.descent.parameters if one.grad is not None]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    with torch.no_grad():
        if l1:
            torch._foreach_add_(gradients, torch._foreach_sign(parameters), alpha=l1)
        if l2:
            torch._foreach_add_(gradients, parameters, alpha=l2)
    if bound:
        nn.utils.clip_grad_norm_(parameters, bound, foreach=True)


def measured(training: Training, data: Data, most: int) -> tuple[Tensor, dict[str, float]]:
    """The loss and the metric of the held-out rows, of what the members of an ensemble answer together."""
    problem = training.problem
    training.model.eval()
    with torch.no_grad():
        found = [
            member_mean(_answers(training, [tensor.to(data.device) for tensor in block]), classes=problem.classes)
            for block in blocks(*data.inputs.values(), most=most)
        ]
        answers, target = torch.cat(found), data.target.to(data.device)
        losses = training.loss_of(answers, target)
        loss = (losses if data.weight is None else losses * data.weight.to(data.device)).mean()
        return loss, epoch_metric(problem, merged(answers, classes=problem.classes), target)


def retry_on_oom(training: Training, at: Progress, rows: int, work: Callable[[int], T]) -> T:
    """What ``work`` gives, which is told how many rows to take at once: half as many whenever memory runs out."""
    while True:
        at_once = max(1, min(at.most, rows))
        try:
            return work(at_once)
        except RuntimeError as error:
            if not _is_out_of_memory(error) or training.together.process.size > 1:
                raise  # neighbors would wait for the gradients of other parts: the job ends, and goes on with fewer
            if at_once == 1:
                raise CandidateFailedError(
                    f"{_SHORT} with {at_once} rows at once: a smaller network or batch is expected"
                ) from error
            at.most = at_once // 2
            at.note(f"{_SHORT}: the batch was halved, to {at.most} rows at once", instead_of=_SHORT)
        if training.device.startswith("cuda"):
            torch.cuda.empty_cache()  # out of the handler, whose traceback holds what did not fit


def _is_out_of_memory(error: RuntimeError) -> bool:
    """A CPU's allocator has no error of its own kind."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def update_bn(training: Training, data: Data, at: Progress) -> None:
    """The batch norms' statistics anew, of all rows, for averaged weights."""
    norms = [module for module in training.model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all that is seen
    training.model.train()
    with torch.no_grad():
        for block in blocks(*data.inputs.values(), most=at.most):
            rows, _ = training.together.share(torch.arange(len(block[0])))
            _answers(training, [tensor[rows.to(tensor.device)].to(data.device) for tensor in block])
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


def _losses(training: Training, inputs: list[Tensor], target: Tensor, weight: Tensor | None) -> Tensor:
    """[rows], weighted."""
    alpha = training.settings["mixup"]
    if not alpha:
        losses = training.loss_of(_answers(training, inputs), target)
        return losses if weight is None else losses * weight
    # Zhang et al. 2018: two rows in one, at a share that is drawn for the batch.
    share = torch.distributions.Beta(alpha, alpha).sample().to(training.device)
    other = torch.randperm(len(target), device=training.device)
    answers = _answers(training, [torch.lerp(one[other].float(), one.float(), share) for one in inputs])
    own, others = training.loss_of(answers, target), training.loss_of(answers, target[other])
    if weight is not None:
        own, others = own * weight, others * weight[other]
    return torch.lerp(others, own, share)


def _answers(training: Training, inputs: list[Tensor]) -> Tensor:
    if training.settings["precision"] != "bf16":
        found: Tensor = training.model(*inputs)
        return found
    with torch.autocast(torch.device(training.device).type, torch.bfloat16):
        answers: Tensor = training.model(*inputs)
    return answers.float()
