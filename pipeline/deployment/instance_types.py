"""Check that the region offers the instance types of the template."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.contracts.account import Account
from pipeline.deployment.check import PreflightCheck, failed, ok, warning

__all__ = ["check_instance_types"]

_FAMILIES_CHOSEN_BY_BATCH = frozenset(
    {"optimal", "default_x86_64", "default_arm64"}
)  # Batch chooses families that the region has
_ZONES = 2  # the template's subnets are in the first two zones
_NAME = "instance types"


def check_instance_types(account: Account, parameters: Mapping[str, str]) -> list[PreflightCheck]:
    """Check the instance types of all compute environments.

    Batch refuses an environment with a type that the region does not offer, and the stack rolls back. A type that is
    offered only in zones without a subnet of the stack leaves its jobs without a machine.

    Args:
        account: Account and region.
        parameters: Parameters of the template; CpuInstanceTypes, GpuInstanceTypes and Gpu are read.

    Returns:
        One result per parameter.
    """
    names = ["CpuInstanceTypes", *(["GpuInstanceTypes"] if parameters.get("Gpu") != "none" else [])]
    return [_check(account, name, [kind.strip() for kind in parameters[name].split(",")]) for name in names]


def _check(account: Account, parameter: str, kinds: list[str]) -> PreflightCheck:
    requested = [kind for kind in kinds if kind not in _FAMILIES_CHOSEN_BY_BATCH]
    if not requested:
        return ok(_NAME, f"{parameter}: {', '.join(kinds)} is chosen by Batch from what the region offers")
    offerings = account.offerings([kind if "." in kind else f"{kind}.*" for kind in requested])
    zones = {kind: _find_zones(kind, offerings) for kind in requested}
    fix = "choose other types or another region" + (", or Gpu=none" if parameter.startswith("Gpu") else "")
    if missing := [kind for kind in requested if not zones[kind]]:
        return failed(_NAME, f"{parameter}: {account.region} does not offer {', '.join(missing)}", fix=fix)
    used = account.zones()[:_ZONES]
    if all(zones[kind].isdisjoint(used) for kind in requested):
        text = f"{parameter}: {', '.join(requested)} is offered in none of the stack's zones ({', '.join(used)})"
        return warning(_NAME, text, fix=f"{fix}: otherwise its jobs get no machine")
    return ok(_NAME, f"{parameter}: {account.region} offers {', '.join(requested)}")


def _find_zones(kind: str, offerings: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the zones that offer a type, or any size of a family."""
    if "." in kind:
        return offerings.get(kind, frozenset())
    return frozenset().union(*(zones for size, zones in offerings.items() if size.startswith(f"{kind}.")))
