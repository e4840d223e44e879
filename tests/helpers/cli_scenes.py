"""Stacks of fakes in states for tests of the terminal output."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from pipeline.contracts.records.run import RunError
from pipeline.contracts.records.variant_report import VariantReport
from tests.unit.cli.conftest import FakeLine, Stage
from tests.unit.cli.test_card import WHOLE

__all__ = ["Stage", "failures", "logged", "running", "several_models", "succeeded", "with_card"]

LONG_RUN = "demo_customer-churn-of-last-summer-v2_1f2e3d4c5b6a"
PARAGRAPH = (
    "there is no target column 'survivd': did you mean 'survived'? The file has the columns pclass, survived, name, "
    "sex, age, sibsp, parch, ticket, fare, cabin and embarked"
)


def running() -> Stage:
    """Return a stack with two active runs; sleeping really takes time."""
    stage = Stage()
    stage.begin("demo_churn_1", model="churn")
    stage.begin("demo_churn_2", model="churn")
    stage.on_sleep = lambda: time.sleep(0.05)
    return stage


def failures() -> Stage:
    """Return a stack with failed runs with a long error, a rejected upload, and a run that awaits promotion."""
    stage = Stage()
    for number, run in enumerate(("demo_titanic_1", "demo_titanic_2", LONG_RUN)):
        stage.begin(run, model=run.split("_")[1])
        if number < 2:
            stage.runs.fail(run, RunError(type="InvalidTargetError", message=PARAGRAPH))
        else:
            stage.runs.succeed(run, 1)
    stage.runs.reject(
        "uploads", "churn/" + "a-long-name-" * 9 + ".csv", "expected TENANT/MODEL/FILE", at=datetime.now(UTC)
    )
    stage.begin("demo_m_decide", model="m")
    stage.runs.await_promotion("demo_m_decide", 3, "promote is manual: modeldrop promote m 3 makes it live")
    return stage


def logged() -> Stage:
    """Return a stack with a run whose log has a long line."""
    stage = succeeded()
    line = {"message": "variant", "run": "demo_houses_0", "latency_us": 26.739999157143757, "reason": PARAGRAPH}
    stage.logs.written.append(FakeLine(datetime.now(UTC), "/aws/batch/jobs", json.dumps(line)))
    return stage


def succeeded() -> Stage:
    """Return a stack with a run that has a leaderboard and a live version."""
    stage = Stage()
    stage.serve(model="houses")
    run = stage.begin("demo_houses_0", model="houses")
    stage.select(run)
    stage.runs.succeed(run, 1)
    return stage


def with_card() -> Stage:
    """Return a stack with a model whose card has every section."""
    stage = Stage()
    winner = {
        "rank": 1, "candidate": "gradient_boosting", "algorithm": "gradient_boosting", "precision": "fp32",
        "status": "ok", "reason": "", "quality": {"accuracy": 0.9}, "interval": {"accuracy": (0.8612, 0.9312)},
        "agreement": None, "latency_us": 141.0, "bytes": 12_345_678, "train_seconds": 112.3, "on_front": True,
        "winner": True,
    }  # fmt: skip
    document = WHOLE.model_copy(update={"leaderboard": (VariantReport.model_validate(winner),)})
    stage.artifacts.put(stage.serve("houses").card_key, document.to_bytes())
    return stage


def several_models() -> Stage:
    """Return a stack with models of two tenants, with long names."""
    stage = Stage()
    stage.serve(model="customer-churn-of-last-summer-v2")
    stage.serve(model="houses", tenant="acme-analytics")
    stage.serve(model="digits", live=False)
    stage.keys.create("acme-analytics", "continuous-integration")
    return stage
