"""The settings that the one training loop gives every network. A recipe's own defaults go on from them."""

from __future__ import annotations

from types import MappingProxyType

from pipeline.contracts.algorithm_spec import Setting

__all__ = ["NETWORK_DEFAULTS"]

# The names are those of contracts.spec.job_spec.Training. loss None: cross_entropy, or mse.
NETWORK_DEFAULTS = MappingProxyType[str, Setting](
    {
        "epochs": 30,
        "optimizer": "adamw",
        "learning_rate": 1e-3,
        "momentum": 0.9,
        "schedule": "constant",
        "warmup": 0.0,
        "decay": 0.5,
        "step_epochs": 5,
        "batch_size": 256,
        "batching": "fixed",
        "loss": None,
        "label_smoothing": 0.0,
        "focal_gamma": 2.0,
        "huber_delta": 1.0,
        "quantiles": (),
        "hidden": (),
        "dropout": 0.0,
        "l1": 0.0,
        "l2": 0.0,
        "weight_decay": 0.0,
        "max_gradient_norm": 0.0,
        "mixup": 0.0,
        "averaging": "none",
        "sparsity": 0.0,
        "shared_bits": 0,
        "early_stopping": 5,
        "precision": "fp32",
        "privacy_epsilon": 0.0,
        "privacy_delta": 1e-5,
        "privacy_norm": 1.0,
        "parallel": "none",
        "base_model": "",
        "freeze": False,
    }
)
