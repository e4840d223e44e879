"""Rollouts: start, checks and end."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.contracts.errors import ConflictError, NotFoundError, OlderUploadError, TransientError
from pipeline.contracts.promotion.counters import latency_counter, latency_quantile
from pipeline.contracts.promotion.rollout import Rollout, RolloutRule
from pipeline.contracts.table_keys import alias_key, rollout_key
from pipeline.registry.aliases import AliasRef
from pipeline.registry.model_registry import ModelRegistry
from pipeline.registry.rollouts.statistics import RolloutStatistics
from pipeline.registry.rollouts.verdict import judge
from pipeline.use_cases.scheduled.check_rollouts import CheckRollouts
from tests.fakes.clock import FakeClock
from tests.fakes.table import FakeTable
from tests.unit.registry.registering import LIVE, make_registry, register_ready

CANARY = AliasRef("demo", "adult", "canary")
RULE = RolloutRule(mode="canary", percent=25, minutes=30)
SHADOW = RolloutRule(mode="shadow", percent=100, minutes=10)


@pytest.fixture
def registry(table: FakeTable, clock: FakeClock) -> ModelRegistry:
    registry = make_registry(table, clock)
    register_ready(registry, 4)
    registry.aliases.move(LIVE, 1, by="anna")
    return registry


def start(registry: ModelRegistry, rule: RolloutRule = RULE, version: int = 2) -> Rollout:
    return registry.rollouts.start(LIVE, version, rule, by="anna")


def count(registry: ModelRegistry, rollout: Rollout, **amounts: float) -> None:
    registry.rollouts.increment(*rollout_key("demo", "adult", rollout.id), amounts, {"expires_at": 1})


def test_a_rollout_is_stored_with_the_live_alias_and_in_the_history(
    registry: ModelRegistry, table: FakeTable, clock: FakeClock
) -> None:
    clock.pass_seconds(1)
    rollout = start(registry)
    item = table.get(*alias_key("demo", "adult", "live"))
    assert item is not None
    assert (item["version"], item["rollout"]["version"], item["rollout"]["percent"]) == (1, 2, 25)
    summary = registry.models("demo")[0]
    assert (summary.live_version, summary.aliases, summary.rollout) == (1, {"live": 1, "canary": 2}, rollout)
    newest = registry.moves.list("demo", "adult")[0]
    assert (newest.alias, newest.version, newest.by) == ("canary", 2, "anna")
    assert "25 % of the requests for 30 minutes" in newest.reason
    assert registry.rollouts.running() == [rollout]


def test_a_repeated_start_returns_the_same_rollout_and_another_rule_starts_a_new_one(registry: ModelRegistry) -> None:
    first = start(registry)
    assert start(registry) == first
    assert start(registry, RULE.model_copy(update={"percent": 50.0})).id != first.id
    assert len(registry.rollouts.running()) == 1


def test_a_version_that_cannot_be_rolled_out_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(ConflictError, match="live already"):
        start(registry, version=1)
    with pytest.raises(NotFoundError):
        start(registry, version=9)
    registry.aliases.move(LIVE, 3, by="anna")
    with pytest.raises(OlderUploadError):
        registry.rollouts.start(LIVE, 2, RULE, by="demo_adult_0123456789ab", only_newer=True)
    register_ready(registry, 1, "other")
    with pytest.raises(NotFoundError, match="is live"):
        registry.rollouts.start(AliasRef("demo", "other"), 1, RULE, by="anna")


@pytest.mark.parametrize("move", ["live", "canary", "rollback"])
def test_a_manual_move_of_an_alias_ends_the_rollout(registry: ModelRegistry, move: str) -> None:
    registry.aliases.move(CANARY, 3, by="anna")
    rollout = start(registry)
    if move == "rollback":
        registry.aliases.roll_back(CANARY, by="anna")
    else:
        registry.aliases.move(AliasRef("demo", "adult", move), 4, by="anna")
    assert registry.rollouts.running() == []
    assert registry.models("demo")[0].rollout is None
    assert registry.rollouts.make_live(rollout, reason="late") is None  # it has ended
    assert registry.rollouts.stop(rollout, reason="late") is None


def test_a_rollback_of_the_canary_ends_the_first_rollout_of_a_model(registry: ModelRegistry) -> None:
    start(registry)
    assert registry.aliases.roll_back(CANARY, by="anna").version == 1
    assert registry.rollouts.running() == []
    assert registry.models("demo")[0].aliases == {"live": 1, "canary": 1}


def test_a_move_of_another_alias_does_not_end_the_rollout(registry: ModelRegistry) -> None:
    rollout = start(registry)
    registry.aliases.move(AliasRef("demo", "adult", "beta"), 4, by="anna")
    assert registry.rollouts.running() == [rollout]


def test_the_version_of_a_rollout_cannot_be_archived(registry: ModelRegistry) -> None:
    start(registry)
    with pytest.raises(ConflictError, match="canary"):
        registry.lifecycle.archive("demo", "adult", 2, by="anna")


def test_a_canary_without_a_breach_becomes_live(registry: ModelRegistry, clock: FakeClock) -> None:
    rollout = start(registry)
    count(registry, rollout, live_requests=300, new_requests=100, compared=100, different=5)
    check = CheckRollouts(registry=registry, now=clock)
    assert check() == ([], [])
    clock.pass_seconds(30 * 60)
    ((ended,), _) = check()
    assert ended.outcome == "promoted"
    newest = registry.moves.list("demo", "adult")[0]
    assert (newest.alias, newest.version, newest.previous, newest.by) == ("live", 2, 1, "canary")
    assert "30 minutes within the bounds (100 requests, 0 failed" in newest.reason
    assert check() == ([], [])
    assert not newest.is_manual
    assert registry.aliases.roll_back(LIVE, by="anna").version == 1


def test_a_canary_that_fails_is_rolled_back_at_once(registry: ModelRegistry, clock: FakeClock) -> None:
    rollout = start(registry)
    count(registry, rollout, live_requests=300, new_requests=100, new_failed=20)
    ((ended,), _) = CheckRollouts(registry=registry, now=clock)()
    assert ended.outcome == "rolled_back"
    newest = registry.moves.list("demo", "adult")[0]
    assert (newest.alias, newest.version, newest.previous, newest.by) == ("canary", 1, 2, "canary")
    assert "20.0% of its requests failed" in newest.reason
    assert registry.live("demo", "adult").version == 1
    assert registry.models("demo")[0].rollout is None


def test_a_rollout_that_cannot_be_checked_does_not_block_others(
    registry: ModelRegistry, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_ready(registry, 2, "houses")
    registry.aliases.move(AliasRef("demo", "houses", "live"), 1, by="anna")
    registry.rollouts.start(AliasRef("demo", "houses", "live"), 2, SHADOW, by="anna")
    start(registry, SHADOW)
    clock.pass_seconds(600)
    statistics = registry.rollouts.statistics

    def broken(rollout: Rollout) -> RolloutStatistics:
        if rollout.model == "adult":
            raise TransientError("the table is busy")
        return statistics(rollout)

    monkeypatch.setattr(type(registry.rollouts), "statistics", lambda self, rollout: broken(rollout))
    ended, failures = CheckRollouts(registry=registry, now=clock)()
    assert [(end.rollout.model, end.outcome) for end in ended] == [("houses", "kept")]
    assert [failure.message for failure in failures] == ["the table is busy"]


def test_a_shadow_is_never_promoted_automatically(registry: ModelRegistry, clock: FakeClock) -> None:
    start(registry, SHADOW)
    clock.pass_seconds(600)
    ((ended,), _) = CheckRollouts(registry=registry, now=clock)()
    assert ended.outcome == "kept"
    newest = registry.moves.list("demo", "adult")[0]
    assert (newest.alias, newest.version, newest.by) == ("shadow", 1, "shadow")
    assert "modeldrop promote adult 2" in newest.reason
    assert registry.live("demo", "adult").version == 1


def latencies(role: str, seconds: float, requests: int) -> dict[str, float]:
    return {latency_counter(role, seconds): requests, f"{role}_requests": requests}


@pytest.mark.parametrize(
    ("counters", "reason"),
    [
        ({"new_requests": 9, "new_failed": 9}, None),  # too few
        ({"new_requests": 1_000, "new_failed": 12}, None),  # by chance
        ({"new_requests": 1_000, "new_failed": 30}, "3.0% of its requests failed"),
        ({**latencies("live", 0.01, 200), **latencies("new", 0.015, 60)}, None),
        ({**latencies("live", 0.01, 200), **latencies("new", 0.05, 60)}, "p95"),
        ({**latencies("live", 0.01, 200), **latencies("new", 0.05, 20)}, None),  # too few
        ({**latencies("live", 1e-5, 200), **latencies("new", 1e-4, 60)}, None),  # too short to tell
        ({"compared": 100, "different": 33}, None),  # by chance
        ({"compared": 100, "different": 60}, "0.6 of the labels"),
        ({"compared": 99, "values": 99, "live_sum": 0, "live_squares": 99, "difference_squares": 4}, None),
        ({"compared": 99, "values": 99, "live_sum": 0, "live_squares": 99, "difference_squares": 99}, "standard dev"),
    ],
)
def test_a_bound_is_breached_only_by_a_significant_difference(
    registry: ModelRegistry, clock: FakeClock, counters: dict[str, Any], reason: str | None
) -> None:
    verdict = judge(start(registry), RolloutStatistics.of(counters), clock())
    assert verdict.outcome == ("running" if reason is None else "breached")
    assert (reason or "") in verdict.reason


def test_constant_predictions_are_compared_relative_to_their_size() -> None:
    counters = {"compared": 4, "values": 4, "live_sum": 40, "live_squares": 400, "difference_squares": 4}
    assert RolloutStatistics.of(counters).disagreement == pytest.approx(0.1)


@pytest.mark.parametrize("seconds", [3e-6, 2e-4, 0.0371, 12.0])
def test_a_latency_quantile_is_at_most_a_quarter_too_large(seconds: float) -> None:
    quantile = latency_quantile({latency_counter("new", seconds): 7}, "new", 0.95)
    assert quantile is not None
    assert max(seconds, 1e-5) <= quantile * (1 + 1e-9) <= max(seconds, 1e-5) * 1.25 * (1 + 1e-9)
