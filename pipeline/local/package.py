"""Replace local paths in the template by objects in a bucket, as ``sam package`` does.

Functions run on this project's interpreter with this repository on the path. Therefore a function's package is only its
own folder, and a layer's package is empty: the template stays unchanged, and nothing is built.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]  # AWS's, without stubs

from pipeline.contracts.errors import ConfigurationError

__all__ = ["Package", "compute_digest", "package"]

_NO_CODE = ("__pycache__",)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal contents give equal zips

Template = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Package:
    """Template without local paths, and the objects that it refers to.

    Attributes:
        template: The template.
        digest: Hash that changes with the template and any code.
        objects: Content by key.
    """

    template: Template
    digest: str
    objects: dict[str, bytes] = field(default_factory=dict)


def compute_digest(root: Path, template: Path) -> str:
    """Hash everything that a deployment depends on: template, state machines, functions, library."""
    digest = hashlib.sha256()
    for file in [template, *_files(root / "pipeline", ("*.py", "*.json")), *_files(root / "functions", ("*",))]:
        digest.update(str(file.relative_to(root) if file.is_relative_to(root) else file.name).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def package(template: Path, *, bucket: str, digest: str) -> Package:
    """Package a template.

    Args:
        template: Path of template.yaml.
        bucket: Bucket that the objects will be uploaded to.
        digest: Hash from compute_digest.

    Raises:
        ConfigurationError: The template, or a file that it refers to, is missing or is not valid JSON.
    """
    if not template.is_file():
        raise ConfigurationError(f"{template} is missing: run 'modeldrop up' in a clone of the repository")
    document = cast("Template", yaml_parse(template.read_text()))
    bundle = Package(template=document, digest=digest)
    for name, resource in document["Resources"].items():
        _rewrite(name, resource, template.parent, bucket, bundle)
    return bundle


def _rewrite(name: str, resource: Mapping[str, Any], folder: Path, bucket: str, bundle: Package) -> None:
    properties = resource.get("Properties") or {}
    kind = resource["Type"]
    if kind == "AWS::Serverless::Function":
        globals_ = bundle.template.get("Globals", {}).get("Function", {})
        path = folder / (properties.get("CodeUri") or globals_.get("CodeUri") or ".")
        properties["CodeUri"] = _put(bundle, bucket, "zip", _zip_function(name, path, bundle.digest))
    elif kind == "AWS::Serverless::LayerVersion":
        properties["ContentUri"] = _put(bundle, bucket, "zip", _zip({"empty": b""}))
    elif kind == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
        path = folder / properties["DefinitionUri"]
        properties["DefinitionUri"] = _put(bundle, bucket, "json", _read_json(name, path))


def _put(bundle: Package, bucket: str, suffix: str, content: bytes) -> str:
    key = f"{hashlib.sha256(content).hexdigest()}.{suffix}"
    bundle.objects[key] = content
    return f"s3://{bucket}/{key}"


def _zip_function(name: str, folder: Path, digest: str) -> bytes:
    """Zip a function with the digest, so that its instances are replaced when the library changes, too."""
    contents = {str(file.relative_to(folder)): file.read_bytes() for file in _files(folder, ("*",))}
    if not contents:
        raise ConfigurationError(f"{folder} has no code, but template.yaml refers to it in {name}")
    return _zip({**contents, "DIGEST": digest.encode()})


def _zip(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def _read_json(name: str, path: Path) -> bytes:
    """Read a state machine. The emulator accepts only JSON, and reports anything else only when an execution starts."""
    try:
        content = path.read_bytes()
        json.loads(content)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is missing, but template.yaml refers to it in {name}") from error
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{path}, line {error.lineno}: expected JSON ({error.msg})") from error
    return content


def _files(folder: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    for pattern in patterns:
        for file in sorted(folder.rglob(pattern)):
            if file.is_file() and not set(file.parts) & set(_NO_CODE):
                yield file
