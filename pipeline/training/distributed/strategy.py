"""What the training loop asks of the processes that train with it: here it is alone; torch_strategies has several.

Batches are those of one process in the same order, gradients are their exact means, and batch norms see the whole
batch, so that losses agree up to rounding whatever the number of processes. What is drawn at random while a network
trains (dropout, augmentation, mixup) is drawn by each process for its own rows: other numbers than one process draws.
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
    would else go its own way, and wait for the others for ever. All processes must call the methods that are said to
    be collective, in the same order.
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

    def gather(self, value: T) -> list[T]:
        """Every process's value, by rank. Collective."""
        return [value]

    def seed_apart(self, *seed: int) -> None:
        """Let processes that share the rows draw different numbers from here on. The main one draws as if alone."""

    def whole(self, tree: Any) -> Any:
        """Copy what holds tensors (a state_dict) to the CPU, as one process would have it. Collective.

        The main process alone gets it; the others, whose memory need not hold it, get an empty mapping.
        """
        return copied(tree, lambda tensor: tensor.detach().to("cpu", copy=True))

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Copy the weights of the network that ``model`` was made of, as ``whole`` does. Collective."""
        state: dict[str, Tensor] = self.whole(self._network_of(model).state_dict())
        return state

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Give ``model`` the network's weights: those that the main process has. Collective."""
        network = self._network_of(model)
        own = network.state_dict()
        network.load_state_dict({name: self._shard(weights.get(name), own[name]) for name in own})

    def load_optimizer(self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Give it the main process's ``state``, which ``whole`` made, be it of one process or of many. Collective."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        outline = self._outline(state, parameters)
        tensors = state.get("state", {})
        shards = {
            number: {
                name: self._shard(tensors.get(number, {}).get(name), parameters[number]) if _is_meta(value) else value
                for name, value in values.items()
            }
            for number, values in outline["state"].items()
        }
        optimizer.load_state_dict({**outline, "state": shards})

    def _outline(self, state: Mapping[str, Any], parameters: list[Tensor]) -> dict[str, Any]:
        """A copy of an optimizer's state, its tensors of their parameter's shape being on the device meta."""

        def outline(value: Any, parameter: Tensor) -> Any:
            if not isinstance(value, Tensor):
                return value
            return value.to("meta") if value.shape == parameter.shape else value.clone()

        outlines = {
            number: {name: outline(value, parameters[number]) for name, value in values.items()}
            for number, values in state["state"].items()
        }
        return {**state, "state": outlines}

    def _network_of(self, model: nn.Module) -> nn.Module:
        """That which ``wrap`` put into ``model``."""
        return model

    def _shard(self, whole: Tensor | None, like: Tensor) -> Tensor:
        """Copy this process's share of the main one's ``whole`` tensor, cut as ``like`` is."""
        assert whole is not None, "one process has all of it"
        return whole.clone()


def _is_meta(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def copied(tree: Any, of_tensor: Callable[[Tensor], Tensor]) -> Any:
    """The tree (mappings, lists) with what ``of_tensor`` makes of each tensor."""
    if isinstance(tree, Tensor):
        return of_tensor(tree)
    if isinstance(tree, Mapping):
        return {name: copied(value, of_tensor) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [copied(value, of_tensor) for value in tree]
    return tree
