"""The losses, each of one row, so that rows can be weighted; and what a network answers for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor, nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Problem, Settings
from pipeline.training.loop.inference import merged

__all__ = ["LOSSES", "Loss", "loss_of", "member_mean", "outputs_of", "quantiles_of"]

Loss = Callable[[Tensor, Tensor], Tensor]  # answers [batch, outputs], target [batch] -> [batch]

_functional = nn.functional
_DEFAULT_QUANTILES = (0.05, 0.5, 0.95)


def quantiles_of(settings: Settings, problem: Problem) -> tuple[float, ...]:
    """Those that a regression answers beside its value, in ascending order."""
    if problem.task != "regression":
        return ()
    given = settings["quantiles"] or (_DEFAULT_QUANTILES if settings["loss"] == "quantile" else ())
    return tuple(sorted(given))


def outputs_of(settings: Settings, problem: Problem) -> int:
    """How many numbers a network answers: a logit a class, or the value and its quantiles."""
    return problem.classes or 1 + len(quantiles_of(settings, problem))


def loss_of(settings: Settings, problem: Problem) -> Loss:
    """The loss that ``settings`` name, each member of an ensemble by itself; raise CandidateFailedError on a misfit."""
    name = settings["loss"] or ("cross_entropy" if problem.classes else _OF_OBJECTIVES[problem.loss])
    if (name in _OF_CLASSES) != bool(problem.classes):
        fitting = ", ".join(loss for loss in LOSSES if (loss in _OF_CLASSES) == bool(problem.classes))
        raise CandidateFailedError(f"the loss '{name}' is not for {problem.task}: one of {fitting} is expected")
    own = partial(LOSSES.get(name, _poisson), settings)
    quantiles = quantiles_of(settings, problem)
    return partial(_of_members, own if problem.classes else partial(_of_values, own, quantiles))


def member_mean(answers: Tensor, *, classes: int) -> Tensor:
    """The logits, or values, [batch, outputs] of an ensemble; a network's own stay as they are."""
    if answers.ndim == 2:
        return answers
    found = merged(answers, classes=classes)
    return found.clamp_min(torch.finfo(found.dtype).tiny).log() if classes else found


def _of_members(own: Loss, answers: Tensor, target: Tensor) -> Tensor:
    """The mean of the members' of [batch, members, outputs]."""
    if answers.ndim == 2:
        return own(answers, target)
    members = answers.shape[1]
    return own(answers.flatten(0, 1), target.repeat_interleave(members)).view(-1, members).mean(dim=1)


def _of_values(own: Loss, quantiles: tuple[float, ...], answers: Tensor, target: Tensor) -> Tensor:
    """The value's loss, and the mean of its quantiles'."""
    found = own(answers[:, 0], target)
    if not quantiles:
        return found
    return found + _pinball(answers[:, 1:], target.unsqueeze(1), answers.new_tensor(quantiles)).mean(dim=1)


def _cross_entropy(settings: Settings, answers: Tensor, target: Tensor) -> Tensor:
    """With ``label_smoothing`` (Szegedy et al. 2016)."""
    smoothing = settings["label_smoothing"]
    return _functional.cross_entropy(answers, target, reduction="none", label_smoothing=smoothing)


def _focal(settings: Settings, answers: Tensor, target: Tensor) -> Tensor:
    """(1 - p)^gamma of the cross-entropy: what is sure counts less (Lin et al. 2017)."""
    entropy = _functional.cross_entropy(answers, target, reduction="none")
    surprise = torch.expm1(-entropy).neg().clamp_min(0)  # rounding may leave it below
    return surprise.pow(float(settings["focal_gamma"])) * entropy


def _mse(settings: Settings, answers: Tensor, target: Tensor) -> Tensor:
    return _functional.mse_loss(answers, target, reduction="none")


def _mae(settings: Settings, answers: Tensor, target: Tensor) -> Tensor:
    return _functional.l1_loss(answers, target, reduction="none")


def _huber(settings: Settings, answers: Tensor, target: Tensor) -> Tensor:
    """Squared up to ``huber_delta``, absolute beyond (Huber 1964)."""
    return _functional.huber_loss(answers, target, reduction="none", delta=settings["huber_delta"])


def _poisson(settings: Settings, answers: Tensor, target: Tensor) -> Tensor:
    """The negative logarithm of a Poisson likelihood, but for a constant; the answer is the rate's logarithm."""
    return _functional.poisson_nll_loss(answers, target, log_input=True, reduction="none")


def _quantile(settings: Settings, answers: Tensor, target: Tensor) -> Tensor:
    """The value is the median."""
    return _pinball(answers, target, answers.new_tensor(0.5))


def _pinball(answers: Tensor, target: Tensor, quantiles: Tensor) -> Tensor:
    """Least at the quantile (Koenker and Bassett 1978)."""
    short = target - answers
    return torch.maximum(quantiles * short, (quantiles - 1) * short)


_OF_CLASSES = frozenset({"cross_entropy", "focal"})
_OF_OBJECTIVES = MappingProxyType(
    {"squared_error": "mse", "absolute_error": "mae", "relative_error": "mae", "poisson": "poisson"}
)
LOSSES: Mapping[str, Callable[[Settings, Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "cross_entropy": _cross_entropy,
        "focal": _focal,
        "mse": _mse,
        "mae": _mae,
        "huber": _huber,
        "quantile": _quantile,
    }
)
