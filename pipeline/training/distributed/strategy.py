"""The strategy to train a network in one process, the base class of the strategies for several (torch_strategies).

Several processes train on the same batches in the same order as one process, with the exact mean gradient of a batch
and batch norms over the whole batch. Losses therefore agree up to rounding for any number of processes, except for
dropout, augmentation and mixup, which draw different random numbers in each process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.contracts.compute_cluster import Process

__all__ = ["Strategy", "map_tensors"]

T = TypeVar("T")


class Strategy:
    """The strategy of a single process, and base class of the strategies of several processes.

    A value that decides how the training continues (a loss, whether time is up) must be equal in all processes: it is
    averaged over them, or broadcast by the main process. Collective methods must be called by all processes, in the
    same order.

    Args:
        process: This process.
    """

    def __init__(self, process: Process) -> None:
        self.process = process

    @property
    def is_main(self) -> bool:
        """Return whether this is the main process."""
        return self.process.is_main

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the module to train, which owns the parameters that an optimizer updates.

        Strategies of several processes wrap a copy and leave ``network`` unchanged.
        """
        return network

    def shard_batch(self, batch: Tensor) -> tuple[Tensor, float]:
        """Return this process's rows of a batch [rows], and the factor of their mean loss (all_reduce_mean)."""
        return batch, 1.0

    def all_reduce_mean(self, value: Tensor) -> Tensor:
        """Return the mean of all processes' values. Collective.

        The result is the mean loss of the batch if each process multiplies its loss by the factor of ``shard_batch``.
        """
        return value

    def broadcast(self, value: T) -> T:
        """Return the main process's value: a decision, a checkpoint. Collective."""
        return value

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank. Collective."""
        return [value]

    def seed_ranks(self, *seed: int) -> None:
        """Seed the processes differently if each has other rows; the main one draws as a single process does."""

    def gather_full(self, tree: Any) -> Any:
        """Gather a tree of tensors (a state_dict), which may be sharded, on the CPU. Collective.

        Returns:
            A copy with full tensors in the main process; an empty mapping in the others, to save memory.
        """
        return map_tensors(tree, lambda tensor: tensor.detach().to("cpu", copy=True))

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """Gather the weights of the network that ``model`` wraps, as ``gather_full`` does. Collective."""
        state: dict[str, Tensor] = self.gather_full(self._unwrap(model).state_dict())
        return state

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Load weights of the network into the model that wraps it. Collective.

        Args:
            model: What ``wrap`` returned.
            weights: Weights by name in the main process; the others need none.
        """
        network = self._unwrap(model)
        state = network.state_dict()
        network.load_state_dict({name: self._shard(weights.get(name), state[name]) for name in state})

    def load_optimizer(self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
        """Load the main process's state, which ``gather_full`` gathered from any number of processes. Collective."""
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        meta_state = self._meta_state(state, parameters)
        tensors = state.get("state", {})
        shards = {
            number: {
                name: self._shard(tensors.get(number, {}).get(name), parameters[number]) if _is_meta(value) else value
                for name, value in values.items()
            }
            for number, values in meta_state["state"].items()
        }
        optimizer.load_state_dict({**meta_state, "state": shards})

    def _meta_state(self, state: Mapping[str, Any], parameters: list[Tensor]) -> dict[str, Any]:
        """Copy an optimizer's state; tensors of their parameter's shape become empty tensors on the meta device."""

        def to_meta(value: Any, parameter: Tensor) -> Any:
            if not isinstance(value, Tensor):
                return value
            return value.to("meta") if value.shape == parameter.shape else value.clone()

        values_by_number = {
            number: {name: to_meta(value, parameters[number]) for name, value in values.items()}
            for number, values in state["state"].items()
        }
        return {**state, "state": values_by_number}

    def _unwrap(self, model: nn.Module) -> nn.Module:
        """Return the network that ``wrap`` put into ``model``."""
        return model

    def _shard(self, full: Tensor | None, like: Tensor) -> Tensor:
        """Copy this process's shard of the main process's full tensor, with the placement of ``like``."""
        assert full is not None, "a single process has the full tensor"
        return full.clone()


def _is_meta(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def map_tensors(tree: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to each tensor of a tree of mappings, lists and tuples (which become lists)."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, Mapping):
        return {name: map_tensors(value, function) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [map_tensors(value, function) for value in tree]
    return tree
