"""The compress job's first step: candidates made of the trained ones, a blend of them and its student."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pipeline.contracts.errors import ObjectNotFoundError
from pipeline.contracts.records.outcome import BODY, OUT_OF_FOLD, REFERENCE, TrainedCandidate
from pipeline.jobs.runtime.job import JobContext, run_error

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipeline.ensembling.builder import Member
    from pipeline.training.trainer import Trainer

__all__ = ["NotMade", "load_members", "make_ensemble"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class NotMade:
    """A blend or a student that there is not, and why."""

    name: str
    reason: str


def make_ensemble(
    context: JobContext, trained: Sequence[TrainedCandidate], trainer: Callable[[], Trainer]
) -> tuple[list[TrainedCandidate], list[NotMade]]:
    """Those that are worth it, their files beside the other candidates'; what goes wrong here costs these alone."""
    from pipeline.ensembling.builder import BLEND, EnsembleBuilder

    folder = context.workdir / "ensemble"
    folder.mkdir()
    try:
        members = load_members(context, trained)
        ensembling = EnsembleBuilder(trainer=trainer(), workdir=folder, report=context.report)
        made, left_out = ensembling.make(members)
    except Exception as error:  # noqa: BLE001 - the candidates themselves are there, whatever a library raises here
        _log.error("no blend", exc_info=error)
        return [], [NotMade(name=BLEND, reason=run_error(error).message)]
    for one in made:
        context.keep_candidate(one.candidate, folder / one.candidate)
        _log.info("made of others", extra={"candidate": one.candidate, "why": "; ".join(one.notes), **one.quality})
    return made, [NotMade(name=one.name, reason=one.reason) for one in left_out]


def load_members(context: JobContext, trained: Sequence[TrainedCandidate]) -> list[Member]:
    """Those whose body is there: model code's may have answered with the served file alone."""
    import numpy as np

    from pipeline.ensembling.builder import Member

    found = []
    for one in trained:
        try:
            body = context.artifacts.get(context.keys.candidate(one.candidate, BODY))
        except ObjectNotFoundError:
            continue
        reference = np.load(BytesIO(context.artifacts.get(context.keys.candidate(one.candidate, REFERENCE))))
        found.append(
            Member(
                trained=one, body=body, answers=reference[reference.files[0]], out_of_fold=_out_of_fold(context, one)
            )
        )
    return found


def _out_of_fold(context: JobContext, one: TrainedCandidate) -> npt.NDArray[np.floating[Any]] | None:
    import numpy as np

    if not one.folds:
        return None
    answers: npt.NDArray[np.floating[Any]] = np.load(
        BytesIO(context.artifacts.get(context.keys.candidate(one.candidate, OUT_OF_FOLD)))
    )["answers"]
    return answers
