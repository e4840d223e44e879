"""Ensemble candidates: a blend of the trained ones, and a model distilled from it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.records.ensemble import Ensemble, NotMade
from pipeline.contracts.records.outcome import BODY, EDGES, OUT_OF_FOLD, REFERENCE, TrainedCandidate
from pipeline.contracts.spec.job_spec import Distillation
from pipeline.jobs.runtime.job import JobContext, run_error

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.ensembling.builder import Member
    from pipeline.training.trainer import Trainer

__all__ = ["MIN_MEMBERS", "make_ensemble", "read_ensemble", "read_trained"]

_log = logging.getLogger(__name__)

MIN_MEMBERS = 2


def make_ensemble(
    context: JobContext, trained: Sequence[TrainedCandidate], trainer: Trainer, distillation: Distillation
) -> tuple[list[TrainedCandidate], list[NotMade]]:
    """Make the ensemble candidates that may be better; a failure does not affect the trained candidates."""
    from pipeline.ensembling.builder import BLEND, EnsembleBuilder

    folder = context.workdir / "ensemble"
    folder.mkdir()
    try:
        members = _load_members(context, trained)
        builder = EnsembleBuilder(trainer=trainer, workdir=folder, report=context.report, distillation=distillation)
        ensembles, not_made = builder.make(members)
    except Exception as error:  # noqa: BLE001 - no error here may lose the trained candidates
        _log.error("no blend", exc_info=error)
        return [], [NotMade(name=BLEND, reason=run_error(error).message)]
    for trained_ensemble in ensembles:
        context.keep_candidate(trained_ensemble.candidate, folder / trained_ensemble.candidate)
        why = "; ".join(trained_ensemble.notes)
        _log.info(
            "made of others",
            extra={"candidate": trained_ensemble.candidate, "why": why, **trained_ensemble.quality},
        )
    return ensembles, not_made


def read_ensemble(context: JobContext) -> Ensemble | None:
    """Read the record of the ensemble job; None if there was no such job, or it was lost."""
    try:
        return Ensemble.from_bytes(context.artifacts.get(context.keys.ensemble))
    except ObjectNotFoundError:
        return None


def read_trained(context: JobContext, names: Sequence[str]) -> Iterator[TrainedCandidate]:
    """Read the records of the candidates that were trained, in the order of ``names``."""
    for name in names:
        if (trained := context.read_trained(name)) is not None:
            yield trained
        else:
            _log.info("not trained", extra={"candidate": name})


def _load_members(context: JobContext, trained: Sequence[TrainedCandidate]) -> list[Member]:
    """Load the candidates that have a body; a user's code may have returned only the served file."""
    import numpy as np

    from pipeline.ensembling.builder import Member

    loaded = []
    for candidate in trained:
        try:
            body = context.artifacts.get(context.keys.candidate(candidate.candidate, BODY))
        except ObjectNotFoundError:
            continue
        reference = np.load(BytesIO(context.artifacts.get(context.keys.candidate(candidate.candidate, REFERENCE))))
        loaded.append(
            Member(
                trained=candidate,
                body=body,
                predictions=reference[reference.files[0]],
                out_of_fold=_out_of_fold(context, candidate),
                edges=reference.get(EDGES),
            )
        )
    return loaded


def _out_of_fold(context: JobContext, candidate: TrainedCandidate) -> npt.NDArray[np.floating[Any]] | None:
    import numpy as np

    if not candidate.folds:
        return None
    predictions: npt.NDArray[np.floating[Any]] = np.load(
        BytesIO(context.artifacts.get(context.keys.candidate(candidate.candidate, OUT_OF_FOLD)))
    )["answers"]
    return predictions
