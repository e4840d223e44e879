"""Whether a version may go live without a decision of a person."""

from __future__ import annotations

from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.registry.promotion import promotion_blocker
from tests.fakes.records import selection


def test_nothing_blocks_promotion_by_default() -> None:
    assert promotion_blocker(JobSpec(), selection()) is None


def test_a_missed_limit_blocks_promotion_and_is_named() -> None:
    reason = promotion_blocker(JobSpec(), selection(unmet=("max_bytes: 9 > 8", "min_quality: 0.8 < 0.9")))
    assert reason is not None
    assert "max_bytes: 9 > 8; min_quality: 0.8 < 0.9" in reason


def test_manual_promotion_in_the_spec_blocks_automatic_promotion() -> None:
    reason = promotion_blocker(JobSpec(promote="manual"), selection())
    assert reason is not None
    assert "manual" in reason
