"""What a recipe declares, what it is given, and what it gives back. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.contracts.errors import CandidateFailedError
from pipeline.contracts.plan import Algorithm
from pipeline.contracts.signature import Task

if TYPE_CHECKING:
    import onnx
    import torch

__all__ = ["Fitted", "Problem", "Recipe", "Report", "Rows", "Settings"]

Report = Callable[[str], None]
Settings = Mapping[str, Any]  # int, float, str, bool or tuple[int, ...], as contracts.plan.Candidate has them


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """``num`` and ``cat`` as graphs.encoding has them; ``target`` [rows]: class numbers, or standardised values."""

    num: npt.NDArray[np.float32]
    cat: npt.NDArray[np.int64]
    target: npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What there is to learn, and on what machine. ``classes``: how many; 0 for regression.

    ``cardinalities``: how many ids each categorical column has. ``device``: as torch names it.
    """

    classes: int
    cardinalities: tuple[int, ...]
    train: Rows
    validation: Rows
    seed: int
    device: str
    threads: int
    report: Report


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A trained model. ``predict``, by the library itself: probabilities [rows, classes] or standardised values [rows].

    ``body`` exports it (graphs.raw_inputs). ``history``: one record an epoch. ``weights``: what a checkpoint holds.
    """

    predict: Callable[[Rows], npt.NDArray[np.floating[Any]]]
    body: Callable[[], onnx.ModelProto]
    history: tuple[dict[str, float], ...] = ()
    weights: Mapping[str, torch.Tensor] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """An algorithm. ``needs``: the queue it profits from. ``settings``: their names and defaults.

    ``quantizable``: its body has weight matrices that int8 applies to. ``tolerance``: as TrainedCandidate has it.
    """

    name: Algorithm
    tasks: tuple[Task, ...]
    needs: Literal["cpu", "gpu"]
    quantizable: bool
    tolerance: float
    settings: Settings
    train: Callable[[Settings, Problem], Fitted]

    def complete(self, chosen: Settings) -> dict[str, Any]:
        """``chosen`` with the defaults of what it leaves open; raise CandidateFailedError on an unknown name."""
        for name in chosen:
            if name not in self.settings:
                near = difflib.get_close_matches(name, self.settings, n=1)
                hint = f"did the plan mean '{near[0]}'?" if near else f"one of {', '.join(self.settings)} is expected"
                raise CandidateFailedError(f"{self.name} has no setting '{name}': {hint}")
        return {**self.settings, **chosen}
