"""Select the algorithms to train for a data set, with reasons."""

from __future__ import annotations

import math
from dataclasses import replace

from pipeline.contracts.algorithms.catalog import catalog
from pipeline.contracts.errors import InvalidJobSpecError
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import BROUGHT, Candidate, Plan, Skipped, TrainingJob, Trials
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.contracts.spec.metrics import check_metric, check_positive_class, choose_metric
from pipeline.contracts.spec.thresholds import check_threshold, threshold_rule
from pipeline.planning.budget import within_dollars
from pipeline.planning.jobs import PlannedCandidate, fits_one_job, pack_jobs, plan_ensemble
from pipeline.planning.rules import Case, exceeds_limits_because, ineligible_because
from pipeline.planning.run_estimate import estimate_run
from pipeline.planning.settings import check_training, deprecated_notes, settings_of, unused_notes
from pipeline.planning.trials import check_search, notes_of, trials_of

__all__ = ["plan", "plan_brought_model"]


def plan(dataset: Dataset, spec: JobSpec, *, runs_code: bool = True) -> Plan:
    """Choose the candidates for ``dataset`` among ``spec.algorithms`` (None: all that fit), and the jobs for them.

    Algorithms that the spec names are tried even if there are few rows, or if they are estimated to exceed the limits.

    Args:
        dataset: The data set.
        spec: The JobSpec.
        runs_code: Whether this deployment runs a user's model.py.

    Raises:
        InvalidJobSpecError: The metric does not measure the task, no algorithm fits, a search cannot be made, or
            ``limits.dollars`` does not pay for the fastest candidate.
    """
    metric = check_metric(
        choose_metric(spec.metric, dataset), dataset.task, dataset.classes, has_several=bool(dataset.targets)
    )
    check_positive_class(spec.positive_class, () if dataset.targets else dataset.classes)
    check_threshold(spec, dataset)
    check_training(spec.training, dataset)
    cases, skipped = _eligible_cases(dataset, spec, runs_code=runs_code)
    affordable, over_limits, notes = _within_limits(cases)
    planned, too_expensive = within_dollars([_planned(case) for case in affordable], dataset, spec)
    one_job = fits_one_job(planned, dataset, spec)
    has_ensemble = plan_ensemble(planned, dataset, spec, None) is not None
    jobs, job_notes = pack_jobs(
        planned, spec, rows=dataset.rows.train, one_job=one_job, has_ensemble=has_ensemble and not one_job
    )
    complete = Plan(
        metric=metric,
        candidates=tuple(_with_time_fraction(planned_candidate.candidate, jobs) for planned_candidate in planned),
        jobs=jobs,
        one_job=one_job,
        ensemble=plan_ensemble(planned, dataset, spec, jobs[0].minutes),
        skipped=(*skipped, *over_limits, *too_expensive),
        notes=(
            *_imbalance_notes(dataset, spec, metric),
            *notes,
            *deprecated_notes(spec),
            *notes_of(spec, [planned_candidate.candidate.trials for planned_candidate in planned]),
            *unused_notes(spec, [catalog()[planned_candidate.candidate.algorithm] for planned_candidate in planned]),
            *_privacy_notes(spec, dataset.rows.train, len(planned)),
            *job_notes,
        ),
        seed=spec.seed,
    )
    return complete.model_copy(update={"estimate": estimate_run(complete, dataset, spec)})


def plan_brought_model(spec: JobSpec) -> Plan:
    """Return the plan for a model that was trained elsewhere: its one job checks and compresses the uploaded file.

    The job replaces the metric, which depends on the file's outputs.
    """
    candidate = Candidate(name=BROUGHT, algorithm=BROUGHT, reason="it is served as it was uploaded")
    job = TrainingJob(name="check", queue="cpu", candidates=(BROUGHT,))
    return Plan(metric=spec.metric or "accuracy", candidates=(candidate,), jobs=(job,), one_job=True, seed=spec.seed)


def _imbalance_notes(dataset: Dataset, spec: JobSpec, metric: str) -> tuple[str, ...]:
    """Return notes on a rare class, and its effect on the choice of the metric and the threshold."""
    if dataset.rarest_class is None or not dataset.is_imbalanced:
        return ()
    label, class_fraction = dataset.rarest_class
    positive = f" of '{dataset.positive}', the positive class" if dataset.positive and metric != "log_loss" else ""
    rule = threshold_rule(spec, dataset)
    tuned = f", and the threshold of the label is tuned for {rule.metric}" if rule.is_tuned else ""
    return (
        f"imbalance: class '{label}' has {class_fraction:.1%} of the training rows; candidates are compared by "
        f"{metric}{positive}{tuned}",
    )


def _privacy_notes(spec: JobSpec, rows: int, candidates: int) -> tuple[str, ...]:
    """Return notes on weak privacy: a large delta, and candidates whose epsilons add up (Dwork and Roth 2014)."""
    privacy, notes = spec.training.privacy, []
    if privacy is None:
        return ()
    if (delta := privacy.delta_for(rows)) >= 1 / rows:
        notes.append(
            f"training.privacy.delta {delta:g} is not below 1 / training rows ({1 / rows:.2g}): it would allow the "
            "publication of single rows; leave it out, or use a tenth of that or less"
        )
    if candidates > 1:
        epsilon = privacy.epsilon
        notes.append(
            f"training.privacy: each of the {candidates} candidates spends up to {epsilon:g} on the same rows, "
            f"{candidates * epsilon:g} in total: a single algorithm spends it once"
        )
    return tuple(notes)


def _eligible_cases(dataset: Dataset, spec: JobSpec, *, runs_code: bool) -> tuple[list[Case], list[Skipped]]:
    """Return the algorithms that the data's shape allows.

    Raises:
        InvalidJobSpecError: The data's shape allows no algorithm.
    """
    task_algorithms = [
        name
        for name, declared in catalog().items()
        if dataset.task in declared.tasks and (dataset.code_sha256 or not declared.has_user_code)
    ]
    cases = [
        Case(declared=catalog()[name], dataset=dataset, spec=spec, runs_code=runs_code)
        for name in dict.fromkeys(spec.algorithms or task_algorithms)
    ]
    reasons = {case.declared.name: ineligible_because(case) for case in cases}
    skipped = [Skipped(algorithm=name, reason=why) for name, why in reasons.items() if why]
    fitting = [case for case in cases if reasons[case.declared.name] is None]
    if not fitting:
        explanation = "; ".join(f"{name}: {why}" for name, why in reasons.items())
        raise InvalidJobSpecError(f"none of the algorithms fits this data set ({explanation})")
    check_search(spec, [case.declared for case in fitting], dataset.task)
    return [replace(case, trials=trials_of(case.declared, spec, dataset.task)) for case in fitting], skipped


def _within_limits(cases: list[Case]) -> tuple[list[Case], list[Skipped], list[str]]:
    """Return the algorithms that are estimated to keep the limits; the one that trains fastest always stays."""
    reasons = {case.declared.name: exceeds_limits_because(case) for case in cases}
    within = [case for case in cases if reasons[case.declared.name] is None]
    notes = []
    if not within:
        within = [min(cases, key=_estimated)]
        name = within[0].declared.name
        why = f"{name}, the fastest to train, is tried anyway ({reasons[name]})"
        notes.append(f"no algorithm is estimated to meet the limits: {why}")
    names = {case.declared.name for case in within}
    return within, [Skipped(algorithm=n, reason=why) for n, why in reasons.items() if why and n not in names], notes


def _estimated(case: Case) -> float:
    return math.inf if case.seconds is None else case.seconds


def _planned(case: Case) -> PlannedCandidate:
    declared = case.declared
    reason = declared.strengths if case.trials is None else f"{declared.strengths}; {_searched(case.trials)}"
    return PlannedCandidate(
        candidate=Candidate(
            name=declared.name,
            algorithm=declared.name,
            settings=settings_of(case),
            reason=reason,
            trials=case.trials,
        ),
        queue="code" if declared.has_user_code else declared.queue,
        seconds=case.seconds,
    )


def _with_time_fraction(candidate: Candidate, jobs: tuple[TrainingJob, ...]) -> Candidate:
    """Limit the search of a candidate to an equal share of the time left in its job."""
    if candidate.trials is None:
        return candidate
    (job,) = (job for job in jobs if candidate.name in job.candidates)
    left = len(job.candidates) - job.candidates.index(candidate.name)
    return candidate.model_copy(update={"trials": candidate.trials.model_copy(update={"share": 1 / left})})


def _searched(trials: Trials) -> str:
    among = f"{trials.method} search over {', '.join(trials.space)}"
    return among if trials.cv is None else f"{among} in {trials.cv} folds"
