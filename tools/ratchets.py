"""Measure the code's style, and fail if any measure is worse than its ceiling in ``tools/ratchets.json``.

    python -m tools.ratchets           # measure; return 1 and list the locations if a measure exceeds its ceiling
    python -m tools.ratchets --lower   # also lower the ceilings to the present measures; no ceiling rises

There is one ceiling per measure and top-level folder (``pipeline/serving``, ``functions`` ...), so that code can move,
but not get worse. A folder without a ceiling has the ceiling 0. Lines of code have one ceiling for ``pipeline``, one
for ``functions``, one for ``tools``. A ceiling is only raised by hand, with a reason in the commit message: for example
a feature that adds more lines than it deletes.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tools.code_lines import count_code_lines

__all__ = ["MEASURES", "Ceilings", "SourceFile", "find_excess", "lower", "main", "measure", "read_sources"]

ROOT = Path(__file__).resolve().parents[1]
CEILINGS = Path(__file__).with_suffix(".json")
FOLDERS = ("functions", "pipeline", "tools")
MAX_MODULES = 15  # per folder, without __init__.py and __main__.py
MAX_LINES = 370  # per file
MAX_SUBJECT = 72  # characters of a commit's first line
CODE_LINES = "lines of code"
MAX_LISTED = 30  # locations to print per measure and folder; commits are listed newest first

# ``vague``: names that do not say what they hold. ``british``: regular expressions of British spellings.
_WORDS: dict[str, list[str]] = json.loads(Path(__file__).with_name("ratchet_words.json").read_text())
_VAGUE = frozenset(_WORDS["vague"])
_BRITISH = re.compile("|".join(_WORDS["british"]), re.IGNORECASE)
_BOUND = re.compile(r"_?(MOST|LEAST|FEWEST)_")
_HELP_TEXTS = (("pipeline", "cli", "commands"), ("pipeline", "cli", "main.py"))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Location = str  # path:line and a name, in the form that editors link to
Ceilings = dict[str, dict[str, int]]  # measure -> folder -> number


class SourceFile:
    """One parsed module.

    Args:
        path: Path relative to the repository.
        text: Content of the module.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(text)

    @property
    def folder(self) -> str:
        """Return the top-level folder whose ceilings apply."""
        return "/".join(self.path.parts[:2]) if self.path.parts[0] == "pipeline" else self.path.parts[0]

    def locate(self, line: int, name: str) -> Location:
        """Return ``path:line name``."""
        return f"{self.path}:{line} {name}"


def read_sources(root: Path) -> list[SourceFile]:
    """Parse all modules in FOLDERS."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    return [SourceFile(path.relative_to(root), path.read_text(encoding="utf-8")) for path in paths]


def vague_names(source: SourceFile) -> Iterator[Location]:
    """Yield variables, parameters and fields with a vague name."""
    for node in ast.walk(source.tree):
        name = ""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        if name.strip("_") in _VAGUE:
            yield source.locate(getattr(node, "lineno", 0), name)


def odd_bounds(source: SourceFile) -> Iterator[Location]:
    """Yield constants of bounds that are not named MAX_ or MIN_."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and _BOUND.match(node.id):
            yield source.locate(node.lineno, node.id)


def missing_docstrings(source: SourceFile) -> Iterator[Location]:
    """Yield public functions, classes, and methods of public classes without a docstring."""
    for node in _public(source.tree.body):
        members = _public(node.body) if isinstance(node, ast.ClassDef) else ()
        for definition in (node, *members):
            if ast.get_docstring(definition) is None:
                yield source.locate(definition.lineno, definition.name)


def undocumented_errors(source: SourceFile) -> Iterator[Location]:
    """Yield public functions and methods that raise and whose docstring has no ``Raises:``.

    Commands and Lambda functions are skipped: the docstring of a command is its help text.
    """
    if source.path.parts[0] == "functions" or source.path.parts[:3] in _HELP_TEXTS:
        return
    for node in _public(source.tree.body):
        for definition in _public(node.body) if isinstance(node, ast.ClassDef) else (node,):
            if _raises(definition.body) and "Raises:" not in (ast.get_docstring(definition) or ""):
                yield source.locate(definition.lineno, definition.name)


def british_spellings(source: SourceFile) -> Iterator[Location]:
    """Yield words with a British spelling."""
    for number, line in enumerate(source.text.splitlines(), 1):
        for match in _BRITISH.finditer(line):
            yield source.locate(number, match[0])


def long_files(source: SourceFile) -> Iterator[Location]:
    """Yield the module if it has more than MAX_LINES lines."""
    lines = source.text.count("\n")
    if lines > MAX_LINES:
        yield source.locate(lines, f"{lines} lines")


MEASURES: Mapping[str, Callable[[SourceFile], Iterable[Location]]] = {
    "vague names": vague_names,
    "bounds not named MAX_ or MIN_": odd_bounds,
    "public names without a docstring": missing_docstrings,
    "public functions that raise without Raises": undocumented_errors,
    "British spellings": british_spellings,
    f"files of more than {MAX_LINES} lines": long_files,
}


def measure(sources: Iterable[SourceFile], subjects: Iterable[str]) -> dict[str, dict[str, list[Location]]]:
    """Return the locations of each measure by folder.

    Args:
        sources: Modules to measure.
        subjects: First lines of the commits.
    """
    locations: dict[str, dict[str, list[Location]]] = defaultdict(lambda: defaultdict(list))
    modules: Counter[Path] = Counter()
    classes: dict[str, list[SourceFile]] = defaultdict(list)
    for source in sources:
        for name, find in MEASURES.items():
            locations[name][source.folder] += find(source)
        locations[CODE_LINES][source.path.parts[0]] += [str(source.path)] * count_code_lines(source.text)
        modules[source.path.parent] += source.path.name not in ("__init__.py", "__main__.py")
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(source)
    locations[f"folders of more than {MAX_MODULES} modules"]["all"] += [
        f"{folder} {count} modules" for folder, count in modules.items() if count > MAX_MODULES
    ]
    locations["class names with several meanings"]["all"] += [
        f"{name}: {', '.join(str(source.path) for source in owners)}"
        for name, owners in classes.items()
        if len(owners) > 1
    ]
    locations[f"commit subjects of more than {MAX_SUBJECT} characters"]["all"] += [
        subject for subject in subjects if len(subject) > MAX_SUBJECT
    ]
    return locations


def find_excess(locations: Mapping[str, Mapping[str, list[Location]]], ceilings: Ceilings) -> list[str]:
    """Return a message for each measure above its ceiling, followed by its locations."""
    messages = []
    for name, folders in locations.items():
        for folder, matches in folders.items():
            ceiling = ceilings.get(name, {}).get(folder, 0)
            if len(matches) > ceiling:
                messages.append(f"{folder}: {len(matches)} {name}, at most {ceiling} are expected")
                messages += [f"    {location}" for location in matches[:MAX_LISTED] if name != CODE_LINES]
    return messages


def lower(locations: Mapping[str, Mapping[str, list[Location]]], ceilings: Ceilings) -> Ceilings:
    """Return the ceilings, lowered to the present measures; ceilings of 0 are omitted."""
    return {
        name: {
            folder: number
            for folder, ceiling in sorted(ceilings.get(name, {}).items())
            if (number := min(ceiling, len(folders.get(folder, []))))
        }
        for name, folders in locations.items()
    }


def main(arguments: list[str], *, root: Path = ROOT, ceilings_file: Path = CEILINGS) -> int:
    """Measure a repository; return 1 if a measure exceeds its ceiling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lower", action="store_true", help="lower the ceilings to the present measures")
    options = parser.parse_args(arguments)
    ceilings: Ceilings = json.loads(ceilings_file.read_text())
    locations = measure(read_sources(root), _commit_subjects(root))
    if options.lower:
        ceilings_file.write_text(json.dumps(lower(locations, ceilings), indent=2) + "\n")
    messages = find_excess(locations, ceilings)
    for message in messages:
        print(message)  # noqa: T201
    for name, folders in locations.items():
        print(f"{sum(map(len, folders.values())):5} {name}")  # noqa: T201
    return 1 if messages else 0


def _public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) and not node.name.startswith("_"):
            yield node


def _raises(body: list[ast.stmt]) -> bool:
    """Return whether statements raise a new error, outside of nested functions; a bare ``raise`` does not count."""
    nodes: list[ast.AST] = [*body]
    while nodes:
        node = nodes.pop()
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            return True
        nodes += ast.iter_child_nodes(node)
    return False


def _commit_subjects(root: Path) -> list[str]:
    """Return the subjects of all commits; empty without Git or outside of a clone."""
    try:
        log = subprocess.run(["git", "log", "--format=%s"], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return log.stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
