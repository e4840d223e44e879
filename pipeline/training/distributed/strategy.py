"""What the training loop asks of the processes that train with it: here it is alone; torch_strategies has several.

Batches are those of one process in the same order, and gradients are their exact means, so that losses agree up to
rounding whatever the number of processes; only dropout draws other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.contracts.compute_cluster import Process

__all__ = ["Parallel", "copied"]

T = TypeVar("T")


class Parallel:
    """One process, which has nobody to ask.

    Whatever decides how a training goes on (a loss, whether its time is up) is asked of all or of the main one: each
    would else go its own way, and wait for the others for ever.
    """

    def __init__(self, process: Process) -> None:
        self.process = process

    @property
    def is_main(self) -> bool:
        return self.process.is_main

    def wrap(self, network: nn.Module) -> nn.Module:
        """What is to be trained in its place; an optimizer is made of *its* parameters. Several leave it as it is."""
        return network

    def share(self, batch: Tensor) -> tuple[Tensor, float]:
        """Of the rows of a batch [rows] this process's, and what the mean of their losses is to be multiplied with."""
        return batch, 1.0

    def mean(self, value: Tensor) -> Tensor:
        """The mean of all processes' values: that of the whole batch, of a loss that was multiplied as above."""
        return value

    def from_main(self, value: T) -> T:
        """What the main process has there: a decision, a checkpoint."""
        return value

    def whole(self, tree: Any) -> Any:
        """A copy on the CPU of what holds tensors (a state_dict), as one process would have it; all must ask for it."""
        return copied(tree, lambda tensor: tensor.detach().to("cpu", copy=True))

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Those of the network that ``model`` was made of, whole, on the CPU."""
        state: dict[str, Tensor] = self.whole(self._network_of(model).state_dict())
        return state

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Give ``model`` the network's weights."""
        network = self._network_of(model)
        own = network.state_dict()
        network.load_state_dict({name: self._part(weights[name], own[name]) for name in own})

    def load_optimizer(self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Give it what ``whole`` made of a state_dict, be it of one process or of many."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        parts = {
            number: {name: self._part(value, parameters[number]) for name, value in values.items()}
            for number, values in state["state"].items()
        }
        optimizer.load_state_dict({**state, "state": parts})

    def _network_of(self, model: nn.Module) -> nn.Module:
        """That which ``wrap`` put into ``model``."""
        return model

    def _part(self, value: Any, like: Tensor) -> Any:
        """A copy of this process's share of a whole tensor, cut as ``like`` is."""
        return value.clone() if isinstance(value, Tensor) else value


def copied(tree: Any, of_tensor: Callable[[Tensor], Tensor]) -> Any:
    """The tree (mappings, lists) with what ``of_tensor`` makes of each tensor."""
    if isinstance(tree, Tensor):
        return of_tensor(tree)
    if isinstance(tree, Mapping):
        return {name: copied(value, of_tensor) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [copied(value, of_tensor) for value in tree]
    return tree
