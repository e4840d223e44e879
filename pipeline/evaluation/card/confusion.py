"""Which classes are taken for which."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.contracts.records.evaluation_report import Confusion
from pipeline.contracts.signature import Signature
from pipeline.evaluation.predictions import Answers

__all__ = ["confusion"]

_MOST_CLASSES = 20


def confusion(signature: Signature, truth: npt.NDArray[Any], answers: Answers) -> Confusion:
    """Of all classes, or of the most frequent ones in ``truth`` and the rest of them as one."""
    number = {label: index for index, label in enumerate(signature.classes)}
    wanted, given = (np.array([number[label] for label in labels]) for labels in (truth, answers.labels))
    shown = np.arange(len(number))
    if len(number) > _MOST_CLASSES:
        frequency = np.bincount(wanted, minlength=len(number))
        shown = np.sort(np.argsort(-frequency, kind="stable")[:_MOST_CLASSES])
    place = np.full(len(number), len(shown))
    place[shown] = np.arange(len(shown))
    others = len(shown) < len(number)
    side = len(shown) + others
    counts = np.bincount(place[wanted] * side + place[given], minlength=side * side).reshape(side, side)
    return Confusion(
        classes=tuple(signature.classes[index] for index in shown),
        others=others,
        counts=tuple(tuple(row) for row in counts.tolist()),
    )
