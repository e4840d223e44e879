"""Lambda functions that code invokes, in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FakeFunctionCalls"]


@dataclass
class FakeFunctionCalls:
    """``answer`` returns the result of each call, or raises; ``calls`` records (function, event)."""

    answer: Callable[[dict[str, Any]], dict[str, Any]]
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def call(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        sent = copy.deepcopy(dict(event))
        self.calls.append((function, sent))
        return self.answer(sent)
