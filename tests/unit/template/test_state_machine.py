"""The state machine always ends, retries only transient errors, and names existing error classes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.session import Session
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from pipeline.contracts import errors
from pipeline.contracts.records.run import STAGES
from pipeline.local.hooks.step_functions.supported_fields import OPTIMIZED
from tests.helpers.template import (
    ROOT,
    STATE_MACHINE,
    STATE_MACHINES,
    function_of,
    levels,
    resources,
    state_machine,
    states,
    tasks_of_all,
    template,
)

TASKS = states("Task")
STATES = state_machine()["States"]
ALL = ["States.ALL"]
ENSEMBLE = ("Ensemble", "CollectSpotEnsemble", "EnsembleOnDemand", "CollectOnDemandEnsemble")
JOB_INSTEAD = {"Validate": "ValidateOnSpot", "Evaluate": "EvaluateOnSpot"}


def _targets(state: dict[str, Any]) -> set[str]:
    found = {catcher["Next"] for catcher in state.get("Catch", [])}
    found |= {choice["Next"] for choice in state.get("Choices", [])}
    return found | {state[key] for key in ("Next", "Default") if key in state}


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_a_state_machine_is_valid_states_language(name: str) -> None:
    AmazonStateLanguageParser.parse(STATE_MACHINES[name].read_text())


@pytest.mark.parametrize("name", STATE_MACHINES)
def test_every_state_is_reachable_and_every_target_exists(name: str) -> None:
    for level in levels(name):
        reached, waiting = set(), {level["StartAt"]}
        while waiting:
            name = waiting.pop()
            reached.add(name)
            waiting |= _targets(level["States"][name]) - reached
        assert reached == set(level["States"])


@pytest.mark.parametrize("name", tasks_of_all())
def test_the_parameters_of_a_task_match_its_service(name: str) -> None:
    task = tasks_of_all()[name]
    given = {field.removesuffix(".$") for field in task["Parameters"]}
    if ":aws-sdk:batch:" in task["Resource"]:
        operation = task["Resource"].rsplit(":", 1)[-1]
        shape = Session().get_service_model("batch").operation_model(operation[0].upper() + operation[1:]).input_shape
        assert given <= {member[0].upper() + member[1:] for member in shape.members}
        assert {member[0].upper() + member[1:] for member in shape.required_members} <= given
    else:
        assert given <= OPTIMIZED[task["Resource"]]


@pytest.mark.parametrize("name", TASKS)
def test_every_task_times_out_and_catches_everything(name: str) -> None:
    task = TASKS[name]
    assert 0 < task["TimeoutSeconds"] < state_machine()["TimeoutSeconds"]
    assert task["Catch"][-1]["ErrorEquals"] == ALL


def test_a_failure_anywhere_is_recorded_before_the_execution_fails() -> None:
    for name, state in state_machine()["States"].items():
        if state["Type"] in ("Task", "Map") and name != "RecordFailure" and name not in ENSEMBLE:
            assert (state["Catch"][-1]["ErrorEquals"], state["Catch"][-1]["Next"]) == (ALL, "RecordFailure")
    recorder = state_machine()["States"]["RecordFailure"]
    assert recorder["Next"] == recorder["Catch"][-1]["Next"] == "Failed"


def test_a_failed_ensemble_does_not_fail_the_run() -> None:
    for name in ENSEMBLE:
        assert (STATES[name]["Catch"][-1]["ErrorEquals"], STATES[name]["Catch"][-1]["Next"]) == (ALL, "EnsembleLost")
    assert STATES["EnsembleLost"]["Next"] == "CollectEnsemble"
    assert STATES["CollectEnsemble"]["Next"] == "Compress"


def test_the_ensemble_stage_is_skipped_when_no_ensemble_is_planned() -> None:
    (planned,) = STATES["IsThereAnEnsemble"]["Choices"]
    assert (planned["Variable"], planned["BooleanEquals"], planned["Next"]) == ("$.plan.ensemble", True, "Ensemble")
    assert STATES["IsThereAnEnsemble"]["Default"] == "CollectEnsemble"
    assert STATES["CollectTraining"]["Next"] == "IsThereAnEnsemble"


def test_a_lost_training_job_does_not_fail_the_run() -> None:
    inner = state_machine()["States"]["Train"]["ItemProcessor"]["States"]
    for state in inner.values():
        if state["Type"] == "Task":
            assert (state["Catch"][-1]["ErrorEquals"], state["Catch"][-1]["Next"]) == (ALL, "JobLost")
    assert inner["JobLost"] == {"Comment": inner["JobLost"]["Comment"], "Type": "Pass", "End": True}


@pytest.mark.parametrize(
    "spot",
    [
        "CollectSpotValidation",
        "CollectSpotJob",
        "CollectSpotEnsemble",
        "CollectSpotCompression",
        "CollectSpotEvaluation",
    ],
)
def test_a_job_without_a_spot_machine_is_submitted_on_demand(spot: str) -> None:
    catcher = TASKS[spot]["Catch"][0]
    again = TASKS[catcher["Next"]]
    assert "CapacityUnavailableError" in catcher["ErrorEquals"]
    assert "demand" in str(again["Parameters"].get("JobQueue.$", again["Parameters"].get("JobQueue"))).lower()


def test_a_small_plan_is_one_fargate_job_that_falls_back_to_the_cpu_queue() -> None:
    (small,) = STATES["ChooseJobs"]["Choices"]
    assert (STATES["Plan"]["Next"], STATES["ChooseJobs"]["Default"]) == ("ChooseJobs", "Train")
    assert (small["Variable"], small["BooleanEquals"], small["Next"]) == ("$.plan.one_job", True, "TrainAndCompress")
    submitted = STATES["TrainAndCompress"]
    assert submitted["Parameters"]["JobQueue"] == "${FargateQueue}"
    assert submitted["Parameters"]["Parameters"]["job.$"] == "$.plan.jobs[0].name"
    collect = STATES[submitted["Catch"][0]["Next"]]
    assert submitted["Next"] == collect["Next"] == "CollectCompression"
    assert collect["Catch"][0]["Next"] == "Train"
    assert {"CapacityUnavailableError", "ImageUnavailableError", "JobInterruptedError"} <= set(
        collect["Catch"][0]["ErrorEquals"]
    )
    assert collect["Parameters"]["Payload"]["instead"]["no_machine"] == "on the CPU queue"


def _megabytes(job: str) -> str:
    needs = resources("AWS::Batch::JobDefinition")[job]["ContainerProperties"]["ResourceRequirements"]
    return str(next(need["Value"] for need in needs if need["Type"] == "MEMORY"))


def test_a_small_job_that_runs_out_of_memory_is_retried_with_twice_the_memory() -> None:
    crashed = [catcher for catcher in STATES["CollectSmallJob"]["Catch"] if "JobCrashedError" in catcher["ErrorEquals"]]
    assert [catcher["Next"] for catcher in crashed] == ["DoubleMemory"]
    planned = STATES["Plan"]["ResultSelector"]["megabytes"]
    assert planned == {"train": _megabytes("CpuTrainJob"), "compress": _megabytes("CompressJob")}
    assert planned["train"] == _megabytes("CodeTrainJob")
    double = STATES["DoubleMemory"]
    assert (double["ResultPath"], double["Next"]) == ("$.plan.megabytes", "Train")
    assert double["Result"] == {name: str(2 * int(value)) for name, value in planned.items()}
    assert int(double["Result"]["train"]) > int(_megabytes("SmallJob"))
    assert "twice the memory" in STATES["CollectSmallJob"]["Parameters"]["Payload"]["instead"]["crash"]


@pytest.mark.parametrize(
    "name", ["TrainOnSpot", "TrainOnDemand", "Ensemble", "EnsembleOnDemand", "Compress", "CompressOnDemand"]
)
def test_a_submitted_job_requests_the_memory_of_the_plan(name: str) -> None:
    (need,) = TASKS[name]["Parameters"]["ContainerOverrides"]["ResourceRequirements"]
    assert need["Type"] == "MEMORY"
    assert need["Value.$"] in ("$.megabytes", "$.plan.megabytes.train", "$.plan.megabytes.compress")
    selected = STATES["Train"]["ItemSelector"]
    assert selected["megabytes.$"] == "$.plan.megabytes.train"
    assert STATES["Train"]["ItemProcessor"]["States"]["OneNodeLess"]["Parameters"]["megabytes.$"] == "$.megabytes"


def test_a_job_that_lost_a_node_is_resubmitted_with_one_node_less() -> None:
    inner = state_machine()["States"]["Train"]["ItemProcessor"]["States"]
    assert inner["TrainOnNodes"]["Parameters"]["Input"]["nodes.$"] == "$.nodes"
    submitted = state_machine("nodes")["States"]["Submit"]
    assert submitted["Resource"] == "arn:aws:states:::aws-sdk:batch:submitJob"  # the other takes no NodeOverrides
    assert submitted["Parameters"]["NodeOverrides"] == {"NumNodes.$": "$.nodes"}
    lost = inner["CollectNodesJob"]["Catch"][0]
    assert {"NodeLostError", "JobCrashedError", "CapacityUnavailableError"} <= set(lost["ErrorEquals"])
    assert inner[lost["Next"]]["Parameters"]["nodes.$"] == "States.MathAdd($.nodes, -1)"
    assert inner[inner[lost["Next"]]["Next"]]["Default"] == "WhichQueue"


def test_a_stack_without_nodes_trains_on_one_machine() -> None:
    inner = state_machine()["States"]["Train"]["ItemProcessor"]["States"]
    (none,) = inner["AreThereNodes"]["Choices"]
    machine = resources("AWS::Serverless::StateMachine")["Pipeline"]
    assert (none["StringEquals"], none["Next"]) == ("none", "WhichQueue")
    assert machine["DefinitionSubstitutions"]["NodesStateMachine"]["Fn::If"][2] == "none"
    assert template()["Resources"]["NodesPipeline"]["Condition"] == "HasMultiNode"
    assert "NodeOverrides" not in STATE_MACHINE.read_text()


def test_watching_a_multi_node_job_stays_within_the_event_limit_of_an_execution() -> None:
    """Each turn of look, choose, increase the wait and wait has eleven events."""
    turns, waited, seconds = 0, 0, state_machine("nodes")["States"]["FirstLook"]["Result"]["seconds"]
    while waited < template()["Parameters"]["JobSeconds"]["MaxValue"]:
        turns, waited, seconds = turns + 1, waited + seconds, seconds + 1
    assert 11 * turns < 25_000 / 4


def test_error_names_of_the_state_machine_are_existing_classes() -> None:
    named = {
        error
        for task in TASKS.values()
        for rule in [*task.get("Retry", []), *task["Catch"]]
        for error in rule["ErrorEquals"]
        if not re.match(r"(States|Lambda|Batch|StepFunctions|Sandbox|Runtime)\.", error)
    }
    assert named >= {"TransientError", "CapacityUnavailableError"}
    assert named <= set(errors.__all__)


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if function_of(task)])
def test_a_function_is_retried_only_for_transient_errors(name: str) -> None:
    throttled, transient, *timed_out = TASKS[name]["Retry"]
    assert throttled["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
    assert set(transient["ErrorEquals"]) == {
        "TransientError",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
    }
    if name in JOB_INSTEAD:
        assert not timed_out  # a job does the step instead
    else:
        (again,) = timed_out
        assert (again["ErrorEquals"], again["MaxAttempts"]) == (["Sandbox.Timedout"], 1)


@pytest.mark.parametrize("name", JOB_INSTEAD)
def test_a_function_that_crashes_is_replaced_by_a_job(name: str) -> None:
    """Lambda reports Runtime.ExitError or Runtime.OutOfMemory for memory, and Lambda.Unknown for an unknown end."""
    catcher = TASKS[name]["Catch"][0]
    died = {"Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown", "Sandbox.Timedout", "States.Timeout"}
    assert died <= set(catcher["ErrorEquals"])
    assert ("TooLargeForFunctionError" in catcher["ErrorEquals"]) == (name == "Evaluate")
    assert catcher["Next"] == JOB_INSTEAD[name]
    assert TASKS[catcher["Next"]]["Next"] == TASKS[name]["Next"]


def _waited(retrier: dict[str, Any]) -> float:
    """Return the most seconds that all retries wait; full jitter waits half of that on average."""
    delays = (retrier["IntervalSeconds"] * retrier["BackoffRate"] ** number for number in range(retrier["MaxAttempts"]))
    return sum(min(delay, retrier["MaxDelaySeconds"]) for delay in delays)


@pytest.mark.parametrize("name", tasks_of_all())
def test_throttled_calls_are_retried_for_more_than_ten_minutes(name: str) -> None:
    task = tasks_of_all()[name]
    first = task["Retry"][0]
    service = "Lambda" if function_of(task) else "StepFunctions" if "startExecution" in task["Resource"] else "Batch"
    assert all(error.startswith(f"{service}.") for error in first["ErrorEquals"])
    assert _waited(first) / 2 > 10 * 60
    assert first["JitterStrategy"] == "FULL"


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if function_of(task)])
def test_the_timeout_of_a_task_exceeds_that_of_its_function(name: str) -> None:
    function = resources("AWS::Serverless::Function")[str(function_of(TASKS[name]))]
    assert function["Timeout"] + 30 <= TASKS[name]["TimeoutSeconds"]  # else States.Timeout, which nothing retries


def test_the_template_substitutes_all_placeholders() -> None:
    machines = resources("AWS::Serverless::StateMachine").values()
    assert {machine["DefinitionUri"] for machine in machines} == {
        f"pipeline/{name}.asl.json" for name in STATE_MACHINES
    }
    for machine in machines:
        asked = set(re.findall(r"\$\{(\w+)\}", (ROOT / machine["DefinitionUri"]).read_text()))
        assert asked == set(machine.get("DefinitionSubstitutions", {}))


def test_the_state_machine_may_invoke_exactly_the_functions_of_its_tasks() -> None:
    machine = resources("AWS::Serverless::StateMachine")["Pipeline"]
    (allowed,) = [
        statement["Resource"]
        for policy in machine["Policies"]
        for statement in policy["Statement"]
        if statement.get("Action") == "lambda:InvokeFunction"
    ]
    named = {function_of(task) for task in TASKS.values()} - {None}
    assert {resource["Fn::GetAtt"][0] for resource in allowed} == named


def test_collected_stages_exist() -> None:
    stages = {task["Parameters"]["Payload"].get("stage") for task in TASKS.values() if function_of(task)} - {None}
    assert stages == {"validate", "train", "ensemble", "compress", "evaluate"} <= set(STAGES)


def test_collect_steps_do_not_retry_interruptions() -> None:
    for name, task in TASKS.items():
        if name.startswith("Collect"):
            retried = {error for retrier in task["Retry"] for error in retrier["ErrorEquals"]}
            assert not retried & {"JobInterruptedError", "CapacityUnavailableError", "ImageUnavailableError"}


@pytest.mark.parametrize("name", tasks_of_all())
def test_the_result_of_a_task_is_dropped_or_narrowed(name: str) -> None:
    """At most 256 KB pass between states; descriptions of jobs and results of functions are unbounded."""
    task = tasks_of_all()[name]
    assert task["ResultPath"] is None or "ResultSelector" in task
