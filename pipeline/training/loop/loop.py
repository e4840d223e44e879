"""The training loop of the torch recipes, whole."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import torch
from torch import nn

from pipeline.contracts.errors import CandidateFailedError
from pipeline.training.algorithm import Problem, Settings
from pipeline.training.distributed.factory import make_strategy
from pipeline.training.loop.batching import Batch, batches
from pipeline.training.loop.checkpoints import keep, keep_end, resumed
from pipeline.training.loop.dense import Dense, supports_manual_backward
from pipeline.training.loop.dp_sgd import DpSgd, replace_batch_norm
from pipeline.training.loop.fine_tuning import load_pretrained
from pipeline.training.loop.inputs import InputReader
from pipeline.training.loop.losses import loss_of
from pipeline.training.loop.metrics import memory_mb
from pipeline.training.loop.state import Progress, Training
from pipeline.training.loop.train_step import Data, finish, gradient, measured, retry_on_oom, update_bn
from pipeline.training.optim.optimizers import WeightOptimizer
from pipeline.training.optim.schedules import factor
from pipeline.training.optim.weight_average import WeightAverage
from pipeline.training.optim.weight_compression import WeightCompression

__all__ = ["Learned", "train_network"]

_TIME_MARGIN = 0.95  # of the time that is left: epochs differ
_DIVERGENCE_LR_FACTOR = 0.1  # what the rate of a training that diverged is multiplied with, once
_STEPS_BETWEEN_QUESTIONS = 64  # of several processes to their main one
_Due = Literal["nothing", "checkpoint", "end"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Learned:
    """``network``: on the CPU, as it was at its best. ``history``, ``notes``, ``privacy``: as Fitted has them."""

    network: nn.Module
    history: tuple[dict[str, float], ...]
    notes: tuple[str, ...] = ()
    privacy: dict[str, float] = field(default_factory=dict)
    best_epoch: int = 0


def train_network(build: Callable[[], nn.Module], reads: InputReader, settings: Settings, problem: Problem) -> Learned:
    """Train what ``build`` makes (after the seed is set) until the validation loss gets no better.

    ``reads`` makes of rows what the network's forward takes: on the device, all rows. It answers logits
    [batch, classes] or standardized values [batch, losses.outputs_of]; an ensemble [batch, members, outputs], whose
    members learn each by themselves and answer together. Augmentation is the network's own, in training mode.
    Raise CandidateFailedError when the loss is no number any more at a tenth of the rate either, when one row is too
    much for the memory, or when a setting does not fit.
    """
    torch.manual_seed(problem.seed)
    torch.set_num_threads(problem.threads)
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms imports the compiler, a second
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch does not type it
    if problem.device.startswith("cuda"):
        torch.set_float32_matmul_precision("high")  # TF32

    together = make_strategy(settings["parallel"], problem.process, problem.device)
    network, changed = replace_batch_norm(build()) if settings["privacy_epsilon"] else (build(), ())
    begun = load_pretrained(network, settings, problem)
    network.to(problem.device)
    model = together.wrap(network)
    together.seed_apart(problem.seed)
    descent = WeightOptimizer(model, settings)
    training = Training(
        settings=settings, problem=problem, model=model, descent=descent, together=together,
        loss_of=loss_of(settings, problem),
        averaged=WeightAverage(model, settings),
        compressed=WeightCompression(model, settings),
        private=DpSgd(model, descent, settings, problem) if settings["privacy_epsilon"] else None,
        written_out=network if isinstance(network, Dense) and supports_manual_backward(settings, problem) else None,
    )  # fmt: skip
    train, held_out = (
        Data.of(reads, replace(rows, weight=problem.loss_weight(rows)), problem.device)
        for rows in (problem.train, problem.validation)
    )
    nothing = torch.zeros((), device=problem.device)
    at = resumed(training, Progress(rate=settings["learning_rate"], loss=nothing, best=together.weights(model)))
    for point in at.history:
        problem.watch(point)
    _train(training, train, held_out, at)
    keep_end(training, at)
    if at.planned and at.epoch > at.planned:
        _note_time_out(at, at.planned, settings)
    if training.private:
        training.private.close()
        at.note(training.private.note)
    if together.is_main:  # the others were given no copy of the weights
        network.load_state_dict(at.best)
    return Learned(
        network=network.cpu().eval(),
        history=tuple(at.history),
        notes=(*changed, *begun, *at.notes),
        privacy=training.private.spent(at.all_steps) if training.private else {},
        best_epoch=at.best_epoch,
    )


def _train(training: Training, train: Data, held_out: Data, at: Progress) -> None:
    """All epochs that are left, from wherever ``at`` is, until time, patience or privacy is used up."""
    settings, problem, together, averaged = training.settings, training.problem, training.together, training.averaged
    due, kept_at = "nothing", time.monotonic()
    while due != "end" and at.epoch <= _last_epoch(training, at) and not _out_of_patience(training, at):
        started = time.perf_counter() - at.seconds
        training.model.train()
        for passed, batch in _batches(training, at):
            rows, share = together.share(batch)
            loss = retry_on_oom(training, at, len(rows), partial(gradient, training, train, rows, share))
            finish(training)
            training.descent.step(at.rate * factor(settings, _position(settings, at, passed), at.losses))
            training.compressed.after_step(_position(settings, at, passed))
            averaged.after_step()
            at.count(loss, len(batch))
            due = _next_action(training, at, kept_at)
            if due == "end":
                break
            if due == "checkpoint":
                at.seconds = time.perf_counter() - started
                keep(training, at)
                kept_at = time.monotonic()
        train_loss = together.mean(at.loss).item() / max(1, at.rows)  # waits for the device
        seconds = time.perf_counter() - started

        if due == "end":
            training.compressed.finish()
        averaged.after_epoch(at.epoch)
        with averaged.applied():
            if averaged.needs_statistics:
                update_bn(training, train, at)
            loss, metric = retry_on_oom(training, at, len(held_out), partial(measured, training, held_out))
            validation_loss = together.mean(loss).item()
            is_better = validation_loss < at.best_loss or training.private is not None or problem.tuned is not None
            is_better = is_better and (due == "end" or _position(settings, at, 1.0) >= training.compressed.first_epoch)
            if math.isfinite(train_loss) and is_better:
                at.best_loss, at.best_epoch, at.best = validation_loss, at.epoch, together.weights(training.model)
        if not math.isfinite(train_loss + validation_loss):
            _recover_from_divergence(training, at, last=due == "end")
            continue

        point = {
            "epoch": at.epoch,
            "loss": train_loss,
            "validation_loss": validation_loss,
            **metric,
            "learning_rate": at.rate * factor(settings, _position(settings, at), at.losses),
            "rows_per_second": at.rows / seconds,
            "memory_mb": memory_mb(problem.device),
            "seconds": time.perf_counter() - started,
        }
        at.history.append(training.private.publishable(point) if training.private else point)
        problem.watch(at.history[-1])
        shown = "" if training.private else f", validation loss {validation_loss:.4f}"
        problem.report(f"epoch {at.epoch} of {settings['epochs']}{shown}")
        at.begin(at.epoch + 1)
        _fit_epochs_to_deadline(training, at)
        if _next_action(training, at, kept_at, epoch_ended=True) == "checkpoint":
            keep(training, at)
            kept_at = time.monotonic()


def _position(settings: Settings, at: Progress, passed: float = 0.0) -> float:
    """Where in its schedule the training is, in epochs: where the time is short the schedule is too."""
    return float((at.epoch - 1 + passed) * settings["epochs"] / (at.planned or settings["epochs"]))


def _fit_epochs_to_deadline(training: Training, at: Progress) -> None:
    """As many epochs as there is time for, so that a schedule that ends low does so: cut off, it has hardly learned."""
    epochs, done = training.settings["epochs"], at.epoch - 1
    if done >= (at.planned or epochs) or training.problem.deadline == math.inf:
        return
    each = sum(point["seconds"] for point in at.history) / len(at.history)
    left = _TIME_MARGIN * (training.problem.deadline - time.monotonic())
    possible = training.together.from_main(max(done + 1, min(epochs, done + int(left / each))))
    at.planned = possible if possible < epochs else 0


def _batches(training: Training, at: Progress) -> Iterator[Batch]:
    """Those of the epoch that are left."""
    if training.private:
        return training.private.batches(at.steps)
    return batches(training.settings, training.problem, epoch=at.epoch, done=at.steps)


def _last_epoch(training: Training, at: Progress) -> int:
    """The epochs that there is time for; a refit has as many as its folds found best."""
    last = int(at.planned or training.settings["epochs"])
    tuned = training.problem.tuned
    return last if tuned is None else min(last, max(1, round(tuned["epochs"])))


def _out_of_patience(training: Training, at: Progress) -> bool:
    """Whether so many epochs have brought no better validation loss, since there is an average to be measured."""
    if training.problem.tuned is not None:
        return False
    since = max(at.best_epoch, training.averaged.first_epoch - 1, training.compressed.first_epoch - 1)
    return at.epoch - 1 - since >= int(training.settings["early_stopping"])


def _note_time_out(at: Progress, epoch: int, settings: Settings) -> None:
    """Say it once: time may run out before the epoch that was planned as the last one."""
    cause = "training time ran out"
    at.note(f"{cause} in epoch {epoch} of {settings['epochs']}; the best weights so far were kept", instead_of=cause)


def _next_action(training: Training, at: Progress, kept_at: float, *, epoch_ended: bool = False) -> _Due:
    """As the main process sees it."""
    together = training.together
    if together.process.size > 1 and not epoch_ended and at.steps % _STEPS_BETWEEN_QUESTIONS:
        return "nothing"
    return together.from_main(_local_action(training, at, kept_at, epoch_ended=epoch_ended))


def _local_action(training: Training, at: Progress, kept_at: float, *, epoch_ended: bool) -> _Due:
    now, problem = time.monotonic(), training.problem
    if now >= problem.deadline and not epoch_ended:
        _note_time_out(at, at.epoch, training.settings)
        return "end"
    if training.private and training.private.is_spent(at.all_steps) and not epoch_ended:
        return "end"
    between = problem.checkpoints.seconds
    return "checkpoint" if (epoch_ended if between == 0 else now - kept_at >= between) else "nothing"


def _recover_from_divergence(training: Training, at: Progress, *, last: bool) -> None:
    """Go on from the best weights at a tenth of the rate, once; raise CandidateFailedError when that was done."""
    where = f"in epoch {at.epoch} (learning rate {at.rate:g})"
    if at.diverged or last:
        before = f", before that {at.diverged}" if at.diverged else ""
        raise CandidateFailedError(f"the loss became non-finite {where}{before}: a lower learning rate is expected")
    at.diverged = where
    at.rate *= _DIVERGENCE_LR_FACTOR
    at.note(f"the loss became non-finite {where}; resumed from the best weights with {at.rate:g}")
    training.together.load(training.model, at.best)
    training.descent.restart()
    training.averaged.restart()
    training.compressed.restart(training.compressed.position)
    at.begin(at.epoch)
