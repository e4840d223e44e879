"""Local paths of a template become objects."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts.errors import ConfigurationError
from pipeline.local.package import compute_digest, package

TEMPLATE = """
Resources:
  F: {Type: "AWS::Serverless::Function", Properties: {CodeUri: f/, Environment: {Variables: {A: !GetAtt B.Arn}}}}
  L: {Type: "AWS::Serverless::LayerVersion", Properties: {ContentUri: .}}
  S: {Type: "AWS::Serverless::StateMachine", Properties: {DefinitionUri: s.json}}
  B: {Type: "AWS::S3::Bucket"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f" / "__pycache__").mkdir(parents=True)
    (tmp_path / "f" / "app.py").write_text("x = 1")
    (tmp_path / "f" / "__pycache__" / "app.pyc").write_bytes(b"old")
    (tmp_path / "s.json").write_text('{"StartAt": "A"}')
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def properties(folder: Path, digest: str = "d") -> tuple[dict[str, Any], dict[str, bytes]]:
    made = package(folder / "template.yaml", bucket="code", digest=digest)
    return {name: one.get("Properties", {}) for name, one in made.template["Resources"].items()}, made.objects


def test_the_folder_of_a_function_becomes_a_zip_without_pycache(folder: Path) -> None:
    packaged, objects = properties(folder)
    content = objects[packaged["F"]["CodeUri"].removeprefix("s3://code/")]
    assert sorted(zipfile.ZipFile(io.BytesIO(content)).namelist()) == ["DIGEST", "app.py"]
    assert packaged["F"]["Environment"]["Variables"]["A"] == {"Fn::GetAtt": ["B", "Arn"]}


def test_the_object_changes_only_with_the_code(folder: Path) -> None:
    assert properties(folder)[1] == properties(folder)[1]
    assert properties(folder, "d")[0]["F"]["CodeUri"] != properties(folder, "e")[0]["F"]["CodeUri"]


def test_a_state_machine_is_stored_unchanged(folder: Path) -> None:
    packaged, objects = properties(folder)
    assert json.loads(objects[packaged["S"]["DefinitionUri"].removeprefix("s3://code/")]) == {"StartAt": "A"}


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("template.yaml", None, "template.yaml is missing: .*clone"),
        ("s.json", None, "s.json is missing.* S$"),
        ("s.json", "{\n StartAt: A}", "s.json, line 2: .*JSON"),
        ("f/app.py", None, "f has no code.* F$"),
    ],
)
def test_a_missing_or_invalid_file_is_named_in_the_error(
    folder: Path, file: str, content: str | None, sentence: str
) -> None:
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(ConfigurationError, match=sentence):
        properties(folder)


def test_the_digest_changes_with_the_library_code(tmp_path: Path, folder: Path) -> None:
    template = folder / "template.yaml"
    before = compute_digest(tmp_path, template)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "a.py").write_text("a = 1")
    assert compute_digest(tmp_path, template) != before
