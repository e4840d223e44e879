"""Count the attempts of a job and their seconds, which are paid for even if a machine is interrupted or lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from pipeline.contracts.errors import ObjectNotFoundError, TransientError
from pipeline.contracts.ports import ObjectStore
from pipeline.contracts.records.outcome import Attempts

__all__ = ["AttemptClock"]

_log = logging.getLogger(__name__)
_SECONDS = 10.0  # time between two records; at most this much of a lost attempt is not counted


class AttemptClock:
    """Measures the seconds of a job, including its earlier attempts."""

    def __init__(self, artifacts: ObjectStore, key: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._artifacts, self._key, self._clock = artifacts, key, clock
        self._began = self._noted = clock()
        try:
            self.earlier = Attempts.from_bytes(artifacts.get(key)).seconds
        except ObjectNotFoundError:
            self.earlier = ()
        self._write()

    @property
    def attempt(self) -> int:
        """Return the number of this attempt, from 1."""
        return len(self.earlier) + 1

    @property
    def seconds(self) -> float:
        """Return the seconds of all attempts until now."""
        return round(sum(self.earlier) + self._clock() - self._began, 3)

    def note(self) -> None:
        """Record how long the attempt has lasted, at most every ten seconds."""
        if self._clock() - self._noted >= _SECONDS:
            self.close()

    def close(self) -> None:
        """Record the seconds of this attempt."""
        self._noted = self._clock()
        try:
            self._write()
        except TransientError as error:
            _log.warning("the attempt's seconds were not recorded", exc_info=error)

    def _write(self) -> None:
        seconds = (*self.earlier, round(self._clock() - self._began, 3))
        self._artifacts.put(self._key, Attempts(seconds=seconds).to_bytes(), content_type="application/json")
