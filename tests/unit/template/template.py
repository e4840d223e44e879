"""The template and the state machine as tests read them: intrinsic functions in their long form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from boto3 import Session
from cfnlint.decode import cfn_yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).parents[3]
STATE_MACHINE = ROOT / "pipeline" / "pipeline.asl.json"

Document = dict[str, Any]


@cache
def template() -> Document:
    """As it is written."""
    return json.loads(json.dumps(cfn_yaml.load(str(ROOT / "template.yaml"))))


def resources(kind: str) -> dict[str, Document]:
    """Logical id -> properties, of one type."""
    return {name: one.get("Properties", {}) for name, one in template()["Resources"].items() if one["Type"] == kind}


@cache
def transformed() -> Document:
    """As CloudFormation sees it, after the SAM transform."""
    document = json.loads(json.dumps(template()))
    for resource in document["Resources"].values():
        for uri in ("CodeUri", "ContentUri", "DefinitionUri"):
            if uri in resource.get("Properties", {}):
                resource["Properties"][uri] = {"Bucket": "b", "Key": "k"} if uri == "DefinitionUri" else "s3://b/k"
    translator = Translator({}, Parser(), boto_session=Session(region_name="us-east-1"))
    return dict(translator.translate(document, parameter_values={}))


@cache
def state_machine() -> Document:
    return json.loads(STATE_MACHINE.read_text())


def levels() -> Iterator[Document]:
    """The state machine, and that of its Map."""
    yield state_machine()
    for state in state_machine()["States"].values():
        if state["Type"] == "Map":
            yield state["ItemProcessor"]


def states(kind: str) -> dict[str, Document]:
    """Name -> state of one type, at every level."""
    return {name: one for level in levels() for name, one in level["States"].items() if one["Type"] == kind}


def function_of(state: Document) -> str | None:
    """The logical id of the function that a task invokes; None for a Batch job."""
    name = state["Parameters"].get("FunctionName")
    return name.removeprefix("${").removesuffix("}") if name else None
