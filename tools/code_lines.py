"""Count the lines of code of a module: lines that are not blank, a comment or a docstring."""

from __future__ import annotations

import ast
import io
import tokenize

__all__ = ["count_code_lines"]

_NO_CODE = frozenset(
    (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
)


def count_code_lines(text: str) -> int:
    """Count the lines of code of a module.

    A string that is a statement by itself counts as a docstring. A line with several statements counts once; a
    statement of several lines counts once per line.

    Args:
        text: Source of the module.

    Raises:
        SyntaxError: The text is not valid Python.
    """
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)
