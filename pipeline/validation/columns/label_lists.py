"""Cells that list labels: ``a|b``, ``a; b``, ``a, b``, and JSON lists of texts."""

from __future__ import annotations

import polars as pl

__all__ = ["LISTS", "find_separator", "split_labels"]

LISTS = "[]"  # value of a separator if cells are JSON lists, or lists of a typed column
_SEPARATORS = ("|", ";", ",")
_MIN_LISTS = 0.05  # minimum fraction of cells with several labels
_MIN_SHARED = 0.8  # minimum fraction of these labels that are in other cells too
_MIN_DISTINCT_CELLS = 3
_MAX_LABEL = 60  # maximum mean of characters per label; longer labels are sentences
_QUOTED = r"\"([^\"]*)\"|'([^']*)'"
_LIST = r"^\s*\[.*\]\s*$"


def split_labels(cells: pl.Series, separator: str) -> pl.Series:
    """Split cells into stripped labels, without empty labels; null stays null.

    Args:
        cells: Text, or lists of a typed column.
        separator: One character, or LISTS.
    """
    if cells.dtype.is_nested():
        return _clean(cells.cast(pl.List(pl.String), strict=False))
    if separator != LISTS:
        return _clean(cells.str.split(separator))
    has_quotes = cells.str.contains(_QUOTED)
    inner = cells.str.strip_chars().str.strip_chars("[]")
    quoted = inner.str.extract_all(_QUOTED).list.eval(pl.element().str.slice(1, pl.element().str.len_chars() - 2))
    return _clean(quoted.zip_with(has_quotes, inner.str.split(",")))


def find_separator(cells: pl.Series, *, is_multilabel: bool = False) -> str:
    """Find the separator of labels; empty if each cell has one label.

    A character separates labels if cells list different numbers of labels, and the labels recur in other cells. This
    excludes texts such as ``Paris, France`` and ``sports;tennis``.

    Args:
        cells: Stripped cells that hold a value: text, or lists of a typed column.
        is_multilabel: Whether train.yaml says that cells hold several labels: one cell with a separator is then enough.
    """
    if cells.dtype.is_nested():
        return LISTS if cells.dtype.base_type() in (pl.List, pl.Array) else ""
    if cells.dtype != pl.String or not len(cells):
        return ""
    lists = cells.str.contains(_LIST)
    if lists.all() or (is_multilabel and lists.any()):
        return LISTS
    distinct = cells.unique()
    if is_multilabel:
        return next((sign for sign in _SEPARATORS if distinct.str.contains(sign, literal=True).any()), "")
    return next((sign for sign in _SEPARATORS if _separates(sign, cells, distinct)), "")


def _separates(sign: str, cells: pl.Series, distinct: pl.Series) -> bool:
    lists = cells.str.contains(sign, literal=True)
    if len(distinct) < _MIN_DISTINCT_CELLS or int(lists.sum()) < _MIN_LISTS * len(cells):
        return False
    labels = split_labels(distinct, sign)
    counts = labels.list.len()
    flat = labels.explode().drop_nulls()
    if counts.n_unique() < 2 or not len(flat) or float(flat.str.len_chars().mean() or 0) > _MAX_LABEL:  # type: ignore[arg-type]
        return False
    if sign == "," and not flat.str.contains(r"[^\W\d]").all():  # 1,5 is a number
        return False
    listed = labels.filter(counts > 1).explode().drop_nulls()
    shared = flat.filter(flat.is_duplicated()).unique()
    return int(listed.is_in(shared.implode()).sum()) >= _MIN_SHARED * max(1, len(listed))


def _clean(labels: pl.Series) -> pl.Series:
    stripped = pl.element().str.strip_chars()
    return labels.list.eval(stripped.filter(stripped != "")).list.unique(maintain_order=True)
