"""Use case: a version is tested with its golden rows through the deployed predict function."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.ports import FunctionCalls
from pipeline.contracts.records.model_version import GoldenPredictions, ModelCard
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.smoke_test import smoke_test
from pipeline.use_cases.run_documents import RunUseCase

__all__ = ["SmokeTestVersion"]


@dataclass(frozen=True, kw_only=True)
class SmokeTestVersion(RunUseCase):
    """Test a registered version, and mark it as READY.

    Attributes:
        registry: Registry that holds the version.
        calls: Calls Lambda functions.
        predict_function: Name of the predict function.
    """

    registry: ModelRegistry
    calls: FunctionCalls
    predict_function: str

    def __call__(self, run: str, version: int) -> None:
        """Test ``version``, which ``run`` has registered.

        Raises:
            SmokeTestFailedError: The function's predictions differ from those of the evaluation.
        """
        keys = RunKeys(run)
        model = self._read(ModelCard, keys.card).model
        registered = self.registry.versions.record(keys.tenant, model, version)
        golden = self._read(GoldenPredictions, keys.golden)
        smoke_test(registered, golden, calls=self.calls, predict_function=self.predict_function)
        self.registry.ready(keys.tenant, model, version)
        self.runs.finish_stage(run, "smoke_test")
