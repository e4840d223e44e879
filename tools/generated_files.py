"""Write the files that are generated from the algorithms' configs.

    python -m tools.generated_files           # write them
    python -m tools.generated_files --check   # return 1 and list those that are out of date

The catalog that planning reads, the JSON Schema of train.yaml, and the tables of docs/train_yaml.md.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.contracts.algorithms.catalog import CATALOG_FILE, catalog_text
from pipeline.contracts.algorithms.hyperparameter import Hyperparameter
from pipeline.contracts.algorithms.network_config import NetworkConfig
from pipeline.contracts.algorithms.spec import AlgorithmSpec
from pipeline.training.algorithms import ALGORITHMS

__all__ = ["generate", "main"]

DOCS = Path(__file__).resolve().parents[1] / "docs" / "train_yaml.md"
_WIDTH = 120  # characters per line of prose
_HEAD = "| {name} | type | default | values | meaning |\n| --- | --- | --- | --- | --- |\n"
_KIND_NAMES: Mapping[str, str] = {
    "boolean": "bool",
    "integer": "int",
    "number": "float",
    "string": "text",
    "integers": "list of int",
    "numbers": "list of float",
    "strings": "list of text",
}


def generate() -> dict[Path, str]:
    """Return the content of each generated file. Write the catalog first: the schema lists its algorithms."""
    specs = [algorithm.spec for algorithm in ALGORITHMS.values()]
    return {CATALOG_FILE: catalog_text(specs), **_schema(), DOCS: _with_tables(DOCS.read_text(), specs)}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the generated files.

    Args:
        arguments: Arguments of the command; None: those of the process.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(description="Write the files that are generated from the algorithms' configs.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    if parser.parse_args(arguments).check:
        outdated = [path for path, text in generate().items() if path.read_text() != text]
        for path in outdated:
            print(f"{path.name} is out of date: python -m tools.generated_files writes it")  # noqa: T201 - a command
        return int(bool(outdated))
    CATALOG_FILE.write_text(catalog_text([algorithm.spec for algorithm in ALGORITHMS.values()]))
    for path, text in generate().items():
        path.write_text(text)
    return 0


def _schema() -> dict[Path, str]:
    from pipeline.contracts.spec import job_spec  # noqa: PLC0415 - reads the catalog on import

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **job_spec.JobSpec.model_json_schema()}
    return {job_spec.SCHEMA_FILE: json.dumps(schema, indent=2) + "\n"}


def _with_tables(page: str, specs: Iterable[AlgorithmSpec]) -> str:
    """Replace what is between the markers ``<!-- generated: NAME -->`` and ``<!-- end -->``."""
    for name, table in (("training", _network_table()), ("settings", _algorithm_tables(specs))):
        start, end = f"<!-- generated: {name} -->\n", "<!-- end -->"
        before, after = page.split(start)
        page = f"{before}{start}\n{table}\n{end}{after.split(end, 1)[1]}"
    return page


def _network_table() -> str:
    rows = [_row(f"`training.{field.name}`", field) for field in NetworkConfig.describe() if not field.set_by]
    return _HEAD.format(name="field") + "".join(rows)


def _algorithm_tables(specs: Iterable[AlgorithmSpec]) -> str:
    """Return one table per algorithm; for networks, only the settings that differ from NetworkConfig."""
    common = {field.name: field for field in NetworkConfig.describe()}
    tables = []
    for spec in specs:
        fields = [
            field
            for field in spec.hyperparameters
            if not field.set_by and not (spec.is_network and _is_same(field, common.get(field.name)))
        ]
        head = textwrap.fill(f"**`{spec.name}`** ({', '.join(spec.tasks)}): {spec.strengths}.", _WIDTH) + "\n\n"
        rows = [_row(f"`{field.name}`", field) for field in fields]
        tables.append(head + _HEAD.format(name="setting") + "".join(rows))
    return "\n".join(tables)


def _is_same(field: Hyperparameter, common: Hyperparameter | None) -> bool:
    return common is not None and field.default == common.default and field.min_length == common.min_length


def _row(name: str, field: Hyperparameter) -> str:
    kinds = " or ".join(_KIND_NAMES[kind] for kind in field.kinds)
    values = ", ".join(f"`{choice}`" for choice in field.choices) or _interval(field)
    unit = f" Unit: {field.unit}." if field.unit else ""
    task = f" Only for {field.task}." if field.task else ""
    meaning = f"{field.description}{unit}{task}".replace("|", r"\|")
    default = field.default if isinstance(field.default, str) else json.dumps(field.default)
    code = f"`{default}`" if default else ""
    return f"| {name} | {kinds} | {code} | {values} | {meaning} |\n"


def _interval(field: Hyperparameter) -> str:
    """Return the bounds as an interval: [0, 1) is at least 0 and below 1."""
    if not field.bounds:
        return ""
    low, high = "(-∞", "∞)"
    if field.minimum is not None:
        low = f"[{field.minimum:.12g}"
    elif field.above is not None:
        low = f"({field.above:.12g}"
    if field.maximum is not None:
        high = f"{field.maximum:.12g}]"
    elif field.below is not None:
        high = f"{field.below:.12g})"
    return f"{low}, {high}"


if __name__ == "__main__":
    raise SystemExit(main())
