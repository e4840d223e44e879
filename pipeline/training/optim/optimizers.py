"""Make the optimizers of a network by name, and take their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.training.distributed.strategy import Strategy

__all__ = ["FULL_BATCH_OPTIMIZERS", "NormalizedGD", "WeightOptimizer"]

FULL_BATCH_OPTIMIZERS = frozenset({"gd", "normalized_gd"})  # one step per epoch, with the gradient of all rows
_DECOUPLED_DECAY = frozenset({"adamw", "muon"})  # optimizers that apply the weight decay themselves
_MUON_MOMENTUM = 0.95
_ONE = torch.tensor(1.0)

Optimizers = tuple[torch.optim.Optimizer, ...]


def _skip_compiler_import() -> None:
    """Keep torch.optim from importing torch's compiler, which takes a second.

    torch.optim imports it to exclude some methods from compilation, but nothing is compiled here. torch caches the
    excluded method as an attribute of the method (torch._compile); this function sets the attribute before torch does.
    A torch version without the attribute ignores it.
    """
    for name in ("add_param_group", "load_state_dict", "state_dict"):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, _EXCLUDED_METHOD):
            setattr(method, _EXCLUDED_METHOD, method)


_EXCLUDED_METHOD = "__dynamo_disable"
_skip_compiler_import()


class WeightOptimizer:
    """The optimizers of a network's weights.

    Each step receives its learning rate, so that schedules keep no state. ``weight_decay`` is decoupled from the
    gradient for every optimizer.

    Args:
        network: The network, whose trainable parameters are optimized.
        config: Hyper-parameters.

    References:
        Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization.
    """

    def __init__(self, network: nn.Module, config: NetworkConfig) -> None:
        self.parameters = _trainable_parameters(network)
        self._make = partial(_make_optimizers, network, config)
        self._optimizers = self._make()
        self._decay = 0.0 if config.optimizer in _DECOUPLED_DECAY else float(config.weight_decay)

    def reset(self) -> None:
        """Discard the state of the optimizers, as before the first step."""
        self._optimizers = self._make()

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Take a step with the gradients of the weights.

        Args:
            rate: Learning rate of this step.
        """
        if self._decay:
            torch._foreach_mul_(self.parameters, 1 - rate * self._decay)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            if isinstance(optimizer, FusedAdam):
                optimizer.fused_step()
            else:
                optimizer.step()

    def state(self) -> list[dict[str, Any]]:
        """Return the ``state_dict`` of each optimizer."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def load(self, state: Sequence[Mapping[str, Any]] | None, strategy: Strategy) -> None:
        """Restore the state of the optimizers.

        Args:
            state: State of each optimizer, gathered by Strategy.gather_full; None except in the main process.
            strategy: Distributes the state to the processes.
        """
        states = [{}] * len(self._optimizers) if state is None else state
        for optimizer, full_state in zip(self._optimizers, states, strict=True):
            strategy.load_optimizer(optimizer, full_state)


class FusedAdam(torch.optim.Adam):
    """Adam with decoupled weight decay, without the overhead of torch's step.

    torch's ``step`` collects the tensors each time, which for a small network takes as long as the arithmetic.

    References:
        Kingma and Ba 2015, Adam; Loshchilov and Hutter 2019, Decoupled Weight Decay Regularization.
    """

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, lr=lr, weight_decay=weight_decay, fused=True, decoupled_weight_decay=True)
        self._state_tensors: list[list[Tensor]] = []  # exp_avg, exp_avg_sq and step of all parameters

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state, as torch's optimizers do."""
        super().load_state_dict(state_dict)
        self._state_tensors = []

    def fused_step(self) -> None:
        """Take the step that ``step`` takes, with the same arithmetic."""
        (group,) = self.param_groups
        gradients = [parameter.grad for parameter in group["params"]]
        if any(gradient is None for gradient in gradients):
            self.step()
            self._state_tensors = []
            return
        if not self._state_tensors:
            self._state_tensors = self._collect_state_tensors(group["params"])
            if not self._state_tensors:
                self.step()
                return
        first, second, steps = self._state_tensors
        beta1, beta2 = group["betas"]
        torch._foreach_add_(steps, _ONE, alpha=1.0)
        torch._fused_adamw_(
            group["params"], gradients, first, second, [], steps, lr=group["lr"], beta1=beta1, beta2=beta2,
            weight_decay=group["weight_decay"], eps=group["eps"], amsgrad=False, maximize=False,
        )  # fmt: skip

    def _collect_state_tensors(self, parameters: Sequence[Tensor]) -> list[list[Tensor]]:
        """Return the parameters' state, initially 0; empty if one is on a GPU or sharded (torch_strategies)."""
        if any(type(parameter) is not nn.Parameter or parameter.is_cuda for parameter in parameters):
            return []
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
        return [[self.state[parameter][name] for parameter in parameters] for name in ("exp_avg", "exp_avg_sq", "step")]


class NormalizedGD(torch.optim.Optimizer):
    """Normalized gradient descent: steps of length ``lr``, lr * g / |g|, with the norm over all weights.

    References:
        Nesterov 1984; Hazan, Levy and Shalev-Shwartz 2015, Beyond Convexity: Stochastic Quasi-Convex Optimization.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # no closure is ever passed
        """Take a step with the gradients of the weights."""
        for group in self.param_groups:
            with_gradient = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in with_gradient]
            norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
            scale = -group["lr"] / norm.clamp_min(torch.finfo(norm.dtype).tiny)
            torch._foreach_add_(with_gradient, torch._foreach_mul(gradients, scale))


def _trainable_parameters(network: nn.Module) -> list[Tensor]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _make_optimizers(network: nn.Module, config: NetworkConfig) -> Optimizers:
    """Return the optimizers of a network, by ``config.optimizer``."""
    parameters, rate = _trainable_parameters(network), config.learning_rate
    match config.optimizer:
        case "muon":
            return _muon(network, config)
        case "gd" | "sgd" | "momentum" | "nesterov":
            return (_sgd(network, config),)
        case "adamw":
            return (FusedAdam(parameters, lr=rate, weight_decay=config.weight_decay),)
        case name:
            return (_BY_RATE_ALONE[name](parameters, lr=rate),)


def _sgd(network: nn.Module, config: NetworkConfig) -> torch.optim.Optimizer:
    """Return torch's SGD, with momentum if the optimizer is ``momentum`` or ``nesterov``.

    References:
        Cauchy 1847; Robbins and Monro 1951; Polyak 1964 (momentum); Nesterov 1983, in the form of Sutskever et al.
        2013.
    """
    momentum = config.momentum if config.optimizer in ("momentum", "nesterov") else 0.0
    return torch.optim.SGD(
        _trainable_parameters(network),
        lr=config.learning_rate,
        momentum=momentum,
        nesterov=config.optimizer == "nesterov" and momentum > 0,  # torch requires momentum > 0
        **_fastest_options(network),
    )


def _fastest_options(network: nn.Module) -> dict[str, bool]:
    """Return the options of SGD's fastest implementation; torch has no fused one for sharded weights."""
    is_unsharded = all(type(parameter) is nn.Parameter for parameter in network.parameters())
    return {"fused": True} if is_unsharded else {"foreach": True}


def _muon(network: nn.Module, config: NetworkConfig) -> Optimizers:
    """Return Muon for the hidden matrices (Jordan et al. 2024), and AdamW for all other parameters.

    Muon's steps are scaled so that both optimizers can use the same learning rate (Liu et al. 2025).
    """
    rate, decay = config.learning_rate, config.weight_decay
    matrices = [m.weight for m in network.modules() if isinstance(m, nn.Linear) and m.weight.requires_grad][1:-1]
    inner = {id(matrix) for matrix in matrices}
    adam_parameters = [parameter for parameter in _trainable_parameters(network) if id(parameter) not in inner]
    optimizers: Optimizers = (FusedAdam(adam_parameters, lr=rate, weight_decay=decay),)
    if matrices:
        muon = torch.optim.Muon(
            matrices, lr=rate, weight_decay=decay, momentum=_MUON_MOMENTUM, adjust_lr_fn="match_rms_adamw"
        )
        optimizers = (*optimizers, muon)
    return optimizers


_BY_RATE_ALONE: Mapping[str, Callable[..., torch.optim.Optimizer]] = MappingProxyType(
    {
        "normalized_gd": NormalizedGD,
        "adagrad": partial(torch.optim.Adagrad, foreach=True),  # Duchi, Hazan and Singer 2011
        "adadelta": partial(torch.optim.Adadelta, foreach=True),  # Zeiler 2012; meant for a learning rate of 1
        "rmsprop": partial(torch.optim.RMSprop, foreach=True),  # Tieleman and Hinton 2012
        "adam": FusedAdam,
    }
)
