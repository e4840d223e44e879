"""The checkpoints of a bag: the states of all folds, in one checkpoint of the candidate."""

from __future__ import annotations

import json
from collections.abc import Callable

from pipeline.training.algorithm import Checkpoints

__all__ = ["BagCheckpoints", "FoldCheckpoints"]


class BagCheckpoints:
    """Saves the last state of every fold, so that a later attempt does not train a finished fold again.

    The checkpoint is a line of JSON, a list with [fold, size in bytes, is finished] for each fold, followed by the
    states.

    Args:
        checkpoints: Storage of the candidate.
        clock: Returns seconds that never decrease.

    Attributes:
        states: The last state of each fold.
        finished: Folds whose state is the end of their training.
    """

    def __init__(self, checkpoints: Checkpoints, clock: Callable[[], float]) -> None:
        self.seconds = checkpoints.seconds
        self._kept, self._clock = checkpoints, clock
        self.states, self.finished = _read(checkpoints.load() or b"")
        self._saved = self._clock()

    def of_fold(self, number: int) -> FoldCheckpoints:
        """Return the checkpoints of one fold."""
        return FoldCheckpoints(self, number)

    def save(self, fold: int, state: bytes, *, finished: bool) -> None:
        """Save the state of a fold, together with the states of the other folds."""
        self.states[fold] = state
        self.finished = self.finished | {fold} if finished else self.finished - {fold}
        self._saved = self._clock()
        head = [[number, len(content), number in self.finished] for number, content in self.states.items()]
        self._kept.save(json.dumps(head).encode() + b"\n" + b"".join(self.states.values()))

    @property
    def is_due(self) -> bool:
        """Return whether at least ``seconds`` have passed since the last checkpoint."""
        return self._clock() - self._saved >= self.seconds


class FoldCheckpoints:
    """The checkpoints of one fold (training.algorithm.Checkpoints)."""

    def __init__(self, bag: BagCheckpoints, number: int) -> None:
        self.seconds, self._bag, self._number = bag.seconds, bag, number

    def load(self) -> bytes | None:
        """Return the last state of the fold; None if there is none."""
        return self._bag.states.get(self._number)

    def save(self, state: bytes) -> None:
        """Save a state of the fold's unfinished training."""
        self._bag.save(self._number, state, finished=False)

    def finish(self, state: bytes) -> None:
        """Save the state with which the fold's training ended."""
        self._bag.save(self._number, state, finished=True)

    @property
    def is_due(self) -> bool:
        """Return whether the end of the fold should be saved now."""
        return self._bag.is_due and not self.is_finished

    @property
    def is_finished(self) -> bool:
        """Return whether the training of the fold ended in an earlier attempt."""
        return self._number in self._bag.finished


def _read(written: bytes) -> tuple[dict[int, bytes], set[int]]:
    """Read states and finished folds; return none if the checkpoint is damaged or has another format."""
    head, _, content = written.partition(b"\n")
    try:
        folds = [(int(fold), int(size), bool(finished)) for fold, size, finished in json.loads(head or b"[]")]
    except (ValueError, TypeError):
        return {}, set()
    states, start = {}, 0
    for fold, size, _ in folds:
        states[fold] = content[start : start + size]
        start += size
    return states, {fold for fold, _, is_finished in folds if is_finished}
