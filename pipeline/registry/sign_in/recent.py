"""Answers about credentials that are repeated for some seconds. Standard library only."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from pipeline.contracts.errors import UnauthenticatedError

__all__ = ["RecentAnswers"]

_T = TypeVar("_T")
_MAX_CACHED = 10_000  # credentials; unknown ones are cached too, so that guesses do not reach the registry


class RecentAnswers(Generic[_T]):
    """Repeats what was found about a credential. Thread-safe.

    Args:
        find: Returns who a credential belongs to; raises UnauthenticatedError, which is repeated too.
        seconds: Time until a revoked credential is noticed.
        clock: Returns seconds.
    """

    def __init__(
        self, find: Callable[[str], _T], *, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._find = find
        self._seconds = seconds
        self._clock = clock
        self._answers: OrderedDict[str, tuple[float, _T | None, str]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, credential: str) -> _T | None:
        """Return what was found a moment ago; None if nothing was, or the credential was refused."""
        until, value, _ = self._answers.get(credential, (0.0, None, ""))
        return value if self._clock() < until else None

    def get(self, credential: str) -> _T:
        """Return what is found, now or a moment ago.

        Raises:
            UnauthenticatedError: The credential is refused, now or a moment ago.
        """
        until, value, refusal = self._answers.get(credential, (0.0, None, ""))
        if self._clock() >= until:
            try:
                value, refusal = self._find(credential), ""
            except UnauthenticatedError as error:
                value, refusal = None, error.message
            self._keep(credential, value, refusal)
        if value is None:
            raise UnauthenticatedError(refusal)
        return value

    def _keep(self, credential: str, value: _T | None, refusal: str) -> None:
        with self._lock:
            self._answers.pop(credential, None)
            self._answers[credential] = self._clock() + self._seconds, value, refusal
            while len(self._answers) > _MAX_CACHED:
                self._answers.popitem(last=False)
