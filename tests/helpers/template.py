"""Parse the template and the state machines; intrinsic functions are in their long form."""

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

ROOT = Path(__file__).parents[2]
STATE_MACHINE = ROOT / "pipeline" / "pipeline.asl.json"
STATE_MACHINES = {path.name.removesuffix(".asl.json"): path for path in (ROOT / "pipeline").glob("*.asl.json")}

Document = dict[str, Any]


@cache
def template() -> Document:
    """Return the template as written."""
    return json.loads(json.dumps(cfn_yaml.load(str(ROOT / "template.yaml"))))


def resources(kind: str) -> dict[str, Document]:
    """Return the resources of a type: logical id -> properties."""
    return {name: one.get("Properties", {}) for name, one in template()["Resources"].items() if one["Type"] == kind}


def api_routes(function: str) -> set[str]:
    """Return ``METHOD /path`` of every route of a function."""
    events = template()["Resources"][function]["Properties"]["Events"].values()
    routes = (event["Properties"] for event in events if event["Type"] == "Api")
    return {f"{route['Method'].upper()} {route['Path']}" for route in routes}


@cache
def transformed() -> Document:
    """Return the template after the SAM transform, as CloudFormation receives it."""
    document = json.loads(json.dumps(template()))
    for resource in document["Resources"].values():
        for uri in ("CodeUri", "ContentUri", "DefinitionUri"):
            if uri in resource.get("Properties", {}):
                resource["Properties"][uri] = {"Bucket": "b", "Key": "k"} if uri == "DefinitionUri" else "s3://b/k"
    translator = Translator({}, Parser(), boto_session=Session(region_name="us-east-1"))
    return dict(translator.translate(document, parameter_values={}))


@cache
def state_machine(name: str = "pipeline") -> Document:
    return json.loads(STATE_MACHINES[name].read_text())


def levels(name: str = "pipeline") -> Iterator[Document]:
    """Yield a state machine, and the inner ones of its Map states."""
    yield state_machine(name)
    for state in state_machine(name)["States"].values():
        if state["Type"] == "Map":
            yield state["ItemProcessor"]


def states(kind: str, name: str = "pipeline") -> dict[str, Document]:
    """Return the states of a type at every level: name -> state."""
    return {key: state for level in levels(name) for key, state in level["States"].items() if state["Type"] == kind}


def tasks_of_all() -> dict[str, Document]:
    """Return the tasks of all state machines: <machine>.<state> -> task."""
    return {f"{name}.{key}": task for name in STATE_MACHINES for key, task in states("Task", name).items()}


def function_of(state: Document) -> str | None:
    """Return the logical id of the function that a task invokes; None for another service."""
    name = state["Parameters"].get("FunctionName")
    return name.removeprefix("${").removesuffix("}") if name else None
