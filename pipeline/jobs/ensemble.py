"""``python -m pipeline.jobs.ensemble --run RUN --job ensemble``: blend the candidates, and distill the blend."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from pipeline.contracts.records.ensemble import Ensemble
from pipeline.contracts.records.outcome import CandidateOutcome
from pipeline.contracts.records.plan import Candidate
from pipeline.jobs.ensembling import MIN_MEMBERS, make_ensemble, read_ensemble, read_trained
from pipeline.jobs.runtime.job import JobContext, end_process, run_job
from pipeline.jobs.runtime.live_progress import Live
from pipeline.jobs.runtime.splits import read_trainer

__all__ = ["ensemble"]


def ensemble(context: JobContext, deadline: float | None = None) -> Sequence[CandidateOutcome]:
    """Make the run's ensemble within its time limit, and write its record, unless an earlier attempt has done so.

    Args:
        context: Context of the job.
        deadline: time.monotonic() at which training must end; None: from the plan's minutes for this job.

    Returns:
        The ensemble's models, as outcomes of candidates.
    """
    keys, artifacts = context.keys, context.artifacts
    plan, spec = context.read_plan(), context.read_spec()
    trained = list(read_trained(context, [candidate.name for candidate in plan.candidates]))
    if plan.ensemble is None or len(trained) < MIN_MEMBERS or read_ensemble(context) is not None:
        return ()
    if deadline is None:
        deadline = time.monotonic() + 60 * (plan.ensemble.minutes or spec.limits.minutes)
    live = Live(artifacts, keys, seconds=spec.training.checkpoint_seconds, event=context.event)
    trainer = replace(
        read_trainer(context, plan, spec), checkpoints=live.checkpoint, watch=live.watch, deadline=deadline
    )
    ensembles, not_made = make_ensemble(context, trained, trainer, spec.distillation)
    for name in plan.ensemble.candidates:
        live.end(Candidate(name=name, algorithm=name), trained=True)
    record = Ensemble(
        candidates=tuple(trained_ensemble.candidate for trained_ensemble in ensembles), not_made=tuple(not_made)
    )
    artifacts.put(keys.ensemble, record.to_bytes(), content_type="application/json")
    return [
        CandidateOutcome(candidate=trained_ensemble.candidate, status="trained", seconds=trained_ensemble.seconds)
        for trained_ensemble in ensembles
    ]


if __name__ == "__main__":
    end_process(run_job(ensemble))
