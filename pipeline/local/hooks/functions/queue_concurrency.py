"""Gap: CloudFormation passes a Number parameter as text, and the queue poller compares it with numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.services import lambda_svc

from pipeline.local.private_names import private_names

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = private_names(lambda_svc, "_sqs_esm_concurrency(esm, func_rec, config, queue)")


def install() -> None:
    """Convert the maximum concurrency to a number."""
    concurrency = lambda_svc._sqs_esm_concurrency

    def concurrency_of_number(esm: dict[str, Any], *arguments: Any, **options: Any) -> int:
        scaling: Mapping[str, Any] = esm.get("ScalingConfig") or {}
        if "MaximumConcurrency" in scaling:
            number = int(scaling["MaximumConcurrency"])
            esm = {**esm, "ScalingConfig": {"MaximumConcurrency": number}}
        return int(concurrency(esm, *arguments, **options))

    lambda_svc._sqs_esm_concurrency = concurrency_of_number
