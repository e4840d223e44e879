"""Describe what a run or a model learns."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.text import Text

from pipeline.contracts.records.run import Learning

__all__ = ["describe_learning", "learning_lines"]


def describe_learning(learning: Learning) -> str:
    """Describe what is learned in one sentence; for a default target, also name the option that chooses another."""
    if not learning.target:
        return "learning clusters"
    hint = "; --target chooses another" if learning.default_target else ""
    return f"learning '{learning.target}' ({learning.task}){hint}"


def learning_lines(learning: Learning | None) -> Iterator[Text]:
    """Yield what is learned, the likelier target, and what the rows look like; nothing before the file is validated."""
    if learning is None:
        return
    yield Text(describe_learning(learning))
    if learning.likely_target:
        likely = learning.likely_target
        yield Text(f"! '{likely}' is more likely the target: --target {shlex.quote(likely)} chooses it", style="yellow")
    yield from (Text(f"! {hint}", style="yellow") for hint in learning.hints)
