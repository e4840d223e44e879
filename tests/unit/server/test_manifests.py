"""The manifests in deploy/ are valid for Kubernetes, hardened, and use existing options of the command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from pipeline.cli.main import app

DEPLOY = Path(__file__).parents[3] / "deploy"
KUBERNETES = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
OPTIONS = {option for parameter in get_command(app).commands["serve"].params for option in parameter.opts}  # type: ignore[attr-defined]  # it is a group


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def _container(path: Path) -> dict[str, Any]:
    spec = _read(path)["spec"]
    container: dict[str, Any] = spec.get("template", {}).get("spec", spec)["containers"][0]
    return container


def _options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("--")}


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_manifests_are_valid_kubernetes(path: Path) -> None:
    kubernetes_validate.validate(_read(path), "1.31", strict=True)


def test_the_validator_refuses_an_unknown_field() -> None:
    document = _read(DEPLOY / "kubernetes" / "service.yaml")
    document["spec"]["portz"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_the_kustomization_lists_each_manifest() -> None:
    assert sorted(_read(DEPLOY / "kubernetes" / "kustomization.yaml")["resources"]) == [
        path.name for path in KUBERNETES
    ]


@pytest.mark.parametrize("name", ["kubernetes/deployment.yaml", "kserve/serving_runtime.yaml"])
def test_containers_are_hardened_and_their_options_exist(name: str) -> None:
    container = _container(DEPLOY / name)
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert _options(container["args"]) <= OPTIONS


def test_probes_use_paths_that_need_no_key() -> None:
    container = _container(DEPLOY / "kubernetes" / "deployment.yaml")
    paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {"/v2/health/ready", "/v2/health/live"}


def test_the_image_does_not_run_as_root_and_its_options_exist() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER 65532:65532$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    assert _options(yaml.safe_load(entry)) <= OPTIONS


def test_the_systemd_unit_starts_the_command_with_existing_options() -> None:
    (command,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "systemd" / "modeldrop.service").read_text(), re.MULTILINE)
    words = shlex.split(command)
    assert words[1] == "serve"
    assert _options(words) <= OPTIONS
