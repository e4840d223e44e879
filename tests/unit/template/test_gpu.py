"""GPU machines are optional, a job without a machine continues on another queue, and waiting is limited."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.template import resources, state_machine, template

PARAMETERS = template()["Parameters"]
CONDITIONS = template()["Conditions"]
TRAINING = state_machine()["States"]["Train"]["ItemProcessor"]["States"]
BATCH_TASKS = {
    name: state
    for name, state in {**state_machine()["States"], **TRAINING}.items()
    if state.get("Resource") == "arn:aws:states:::batch:submitJob.sync"
}


def _holds(condition: Any, gpu: str) -> bool:
    """Evaluate a condition of the template for a value of Gpu and no nodes."""
    if isinstance(condition, str):
        return _holds(CONDITIONS[condition], gpu)
    if "Fn::Not" in condition:
        return not _holds(condition["Fn::Not"][0], gpu)
    if "Condition" in condition:
        return _holds(condition["Condition"], gpu)
    values = {"Gpu": gpu, "MultiNode": "none"}
    left, right = (values.get(side["Ref"], "") if isinstance(side, dict) else side for side in condition["Fn::Equals"])
    return left == right


def _made(gpu: str) -> set[str]:
    return {
        name
        for name, resource in template()["Resources"].items()
        if "Condition" not in resource or _holds(resource["Condition"], gpu)
    }


def test_no_gpu_resource_is_created_without_gpus() -> None:
    assert not {name for name in _made("none") if "gpu" in name.lower()}
    assert "Gpu" in "".join(_made("spot"))


@pytest.mark.parametrize(("gpu", "kind"), [("spot", "SPOT"), ("on-demand", "EC2")])
def test_the_only_gpu_queue_has_the_chosen_kind_of_machines(gpu: str, kind: str) -> None:
    environments = resources("AWS::Batch::ComputeEnvironment")
    (environment,) = [name for name in _made(gpu) & set(environments) if "Gpu" in name]
    assert environments[environment]["ComputeResources"]["Type"] == kind
    assert len([name for name in _made(gpu) & set(resources("AWS::Batch::JobQueue")) if "Gpu" in name]) == 1


def test_spot_gpus_are_the_default() -> None:
    assert PARAMETERS["Gpu"]["Default"] == "spot"
    assert set(PARAMETERS["Gpu"]["AllowedValues"]) == {"spot", "on-demand", "none"}


def test_a_gpu_job_without_a_machine_or_image_continues_on_the_cpu_queue() -> None:
    catcher = TRAINING["CollectGpuJob"]["Catch"][0]
    assert {"CapacityUnavailableError", "ImageUnavailableError", "JobInterruptedError"} <= set(catcher["ErrorEquals"])
    assert catcher["Next"] == "OnCpu"
    assert "CPU queue" in TRAINING["CollectGpuJob"]["Parameters"]["Payload"]["instead"]["no_machine"]
    (none,) = TRAINING["IsThereAGpu"]["Choices"]
    assert (none["StringEquals"], none["Next"]) == ("none", "OnCpu")


def _rules() -> dict[str, dict[str, Any]]:
    rules = resources("AWS::Events::Rule")
    return {name: rule for name, rule in rules.items() if rule["Targets"][0]["Arn"] == {"Ref": "JobWaits"}}


def test_every_queue_is_watched_for_waiting_jobs() -> None:
    watched = json.dumps([rule["EventPattern"]["detail"]["jobQueue"] for rule in _rules().values()])
    for queue in resources("AWS::Batch::JobQueue"):
        assert f'"{queue}"' in watched
    for rule in _rules().values():
        assert rule["EventPattern"]["detail"]["status"] == ["RUNNABLE"]
        template_text = rule["Targets"][0]["InputTransformer"]["InputTemplate"]["Fn::Sub"]
        filled = (
            template_text.replace("<job>", '"an-id"')
            .replace("${GpuWaitSeconds}", "1")
            .replace("${CpuWaitSeconds}", "1")
            .replace("${FargateWaitSeconds}", "1")
        )
        assert json.loads(filled) == {"job": "an-id", "seconds": 1}


def test_only_a_job_that_still_waits_is_canceled() -> None:
    states = state_machine("waits")["States"]
    assert states["CancelJob"]["Resource"].endswith(":cancelJob")
    assert states["DoesItStillWait"]["Default"] == "Done"
    for name in ("Cancel", "CancelWithBatchsReason"):
        assert "CAPACITY:" in states[name]["Parameters"]["reason.$"]


@pytest.mark.parametrize("name", BATCH_TASKS)
def test_the_timeout_of_a_task_includes_waiting_for_machines(name: str) -> None:
    """The timeout covers three attempts, each of which may wait."""
    waits = max(PARAMETERS[field]["MaxValue"] for field in ("GpuWaitSeconds", "CpuWaitSeconds", "FargateWaitSeconds"))
    assert BATCH_TASKS[name]["TimeoutSeconds"] >= PARAMETERS["JobSeconds"]["MaxValue"] + 3 * waits
    assert waits < 86_400
    assert state_machine("waits")["TimeoutSeconds"] > waits
