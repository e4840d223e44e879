"""The context that Lambda passes with an event."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FakeLambdaContext"]


@dataclass
class FakeLambdaContext:
    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:test"
    aws_request_id: str = "5f8d0f7e-0c9b-4c3f-9e4e-1d8a1a2b3c4d"
    remaining_ms: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms
