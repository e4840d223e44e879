"""Commands that people guess: aliases, and hints at the right command."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ALIASES", "POINTERS"]

ALIASES: Mapping[str, str] = {
    "list": "models",
    "ls": "models",
    "ps": "runs",
    "infer": "predict",
    "start": "up",
    "stop": "down",
    "train": "drop",
    "upload": "drop",
    "show": "card",
    "info": "card",
    "download": "export",
    "undeploy": "destroy",
    "rm": "delete",
    "remove": "delete",
    "restore": "undelete",
    "compare": "diff",
    "abort": "cancel",
}
POINTERS: Mapping[str, str] = {
    "login": "there is no login: --stack NAME with --profile P uses your AWS profile, and --api-key KEY calls models",
    "init": "nothing to set up: 'modeldrop up' starts the embedded cloud, 'modeldrop drop FILE' trains a model",
}
