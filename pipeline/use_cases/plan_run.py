"""Use case: a Dataset and a JobSpec become a Plan."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.object_keys import RunKeys, parse_upload_key
from pipeline.contracts.records.dataset import Dataset
from pipeline.contracts.records.plan import Plan
from pipeline.contracts.records.run import Upload
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.planning.fine_tuning import align_columns_to_base, plan_with_base, restrict_to_base_algorithm
from pipeline.planning.plan import plan, plan_brought_model
from pipeline.registry.base_models import resolve_base_model
from pipeline.registry.model_registry import ModelRegistry
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["PlanRun"]


@dataclass(frozen=True, kw_only=True)
class PlanRun(RunUseCase):
    """Plan the training of a run and write its Plan.

    With a base model, all later stages read the data set as the base model does, so its columns are aligned here.

    Attributes:
        registry: Registry that holds the base model.
        runs_code: Whether the jobs of this deployment run a user's model.py.
    """

    registry: ModelRegistry
    runs_code: bool = True

    def __call__(self, run: str) -> Plan:
        """Plan the training of ``run``.

        Raises:
            InputError: The data set or the JobSpec does not fit the base model.
        """
        keys = RunKeys(run)
        if parse_upload_key(self._read(Upload, keys.upload).key).is_model:
            return self._finish(run, plan_brought_model(self._read(JobSpec, keys.spec)))
        dataset, spec = self._read(Dataset, keys.dataset), self._read(JobSpec, keys.spec)
        if (base_model := spec.training.base_model) is None:
            planned = plan(dataset, spec, runs_code=self.runs_code)
        else:
            base = resolve_base_model(base_model, tenant=keys.tenant, registry=self.registry, artifacts=self.artifacts)
            dataset = align_columns_to_base(dataset, base)
            planned = plan_with_base(plan(dataset, restrict_to_base_algorithm(spec, base)), base)
            self._write(dataset, keys.dataset)
        return self._finish(run, planned)

    def _finish(self, run: str, planned: Plan) -> Plan:
        self._write(planned, RunKeys(run).plan)
        if planned.estimate is not None:
            self.runs.record_estimate(run, planned.estimate)
        self.runs.finish_stage(run, "plan")
        return planned
