"""Fixtures that upload a file and validate it, with both buckets in memory."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.contracts.object_keys import RunKeys
from pipeline.contracts.records.dataset import GROUP, TIME, Dataset
from pipeline.contracts.records.run import Part, Upload
from pipeline.contracts.spec.job_spec import JobSpec
from pipeline.validation.validate import validate
from tests.fakes.objects import FakeObjectStore
from tests.helpers.dialect_tables import Read, read_text

RUN = "demo_model_0123456789ab"
KEYS = RunKeys(RUN)


@dataclass(frozen=True)
class Validated:
    """The artifacts that the validation of a run wrote."""

    dataset: Dataset
    artifacts: FakeObjectStore

    def split(self, name: str) -> pl.DataFrame:
        """Read a split without its hidden group and time columns."""
        return self.whole_split(name).drop(GROUP, TIME, strict=False)

    def whole_split(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(io.BytesIO(self.artifacts.get(KEYS.split(name))))

    @property
    def splits(self) -> dict[str, pl.DataFrame]:
        return {name: self.split(name) for name in ("train", "validation", "test")}

    @property
    def spec(self) -> JobSpec:
        return JobSpec.from_bytes(self.artifacts.get(KEYS.spec))

    @property
    def set_aside(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.artifacts.get(KEYS.set_aside).splitlines()]

    @property
    def kinds(self) -> dict[str, str]:
        return {column.name: column.kind for column in self.dataset.columns}

    @property
    def left_out(self) -> dict[str, str]:
        return {column.name: column.reason for column in self.dataset.left_out}


@pytest.fixture
def stores() -> tuple[FakeObjectStore, FakeObjectStore]:
    """The buckets of uploads and of artifacts."""
    return FakeObjectStore("uploads"), FakeObjectStore("artifacts")


@pytest.fixture
def uploaded() -> list[Upload]:
    """The uploads that were passed to `validate`, refused uploads included."""
    return []


@pytest.fixture
def validated(
    stores: tuple[FakeObjectStore, FakeObjectStore], tmp_path: Path, uploaded: list[Upload]
) -> Callable[..., Validated]:
    def validated(key: str, parts: tuple[Part, ...] = ()) -> Validated:
        uploads, artifacts = stores
        head = uploads.head(key)
        uploaded.append(
            Upload(
                bucket="uploads",
                key=key,
                version_id=head.version_id,
                bytes=head.bytes + sum(part.bytes for part in parts),
                etag=head.etag,
                metadata=dict(head.metadata),
                parts=parts,
            )
        )
        workdir = tmp_path / str(len(uploaded))
        workdir.mkdir()
        dataset = validate(RUN, uploaded[-1], uploads=uploads, artifacts=artifacts, workdir=workdir)
        return Validated(dataset, artifacts)

    return validated


@pytest.fixture
def drop(
    stores: tuple[FakeObjectStore, FakeObjectStore], validated: Callable[..., Validated]
) -> Callable[..., Validated]:
    """``drop(file, body, spec="...", companions={"test.csv": "..."}, target="...")``; other keywords are metadata."""

    def dropped(
        file: str,
        body: str | bytes,
        spec: str | None = None,
        companions: Mapping[str, str | bytes] | None = None,
        **metadata: str,
    ) -> Validated:
        for store in stores:
            store.clear()
        companion_files = {**(companions or {}), **({} if spec is None else {"train.yaml": spec})}
        for name, text in companion_files.items():
            stores[0].put(f"demo/model/{name}", text.encode() if isinstance(text, str) else text)
        key = f"demo/model/{file}"
        stores[0].put(key, body.encode() if isinstance(body, str) else body, metadata=metadata)
        return validated(key)

    return dropped


@pytest.fixture
def drop_parts(
    stores: tuple[FakeObjectStore, FakeObjectStore], validated: Callable[..., Validated]
) -> Callable[..., Validated]:
    """``drop_parts({"0.csv": "..."}, companions={"train.yaml": "...", "big/test.csv": "..."})``."""

    def dropped(files: Mapping[str, str | bytes], companions: Mapping[str, str | bytes] | None = None) -> Validated:
        for name, text in (companions or {}).items():
            stores[0].put(f"demo/model/{name}", text.encode() if isinstance(text, str) else text)
        parts = []
        for name, body in sorted(files.items()):
            key = f"demo/model/big/{name}"
            stores[0].put(key, body.encode() if isinstance(body, str) else body)
            head = stores[0].head(key)
            parts.append(Part(key=key, version_id=head.version_id, bytes=head.bytes))
        stores[0].put("demo/model/big/_SUCCESS", b"")
        return validated("demo/model/big/_SUCCESS", tuple(parts))

    return dropped


@pytest.fixture
def lines() -> list[str]:
    """A header and 300 rows: a number, a category, a class."""
    chance = random.Random(0)
    rows = [f"{chance.random():.4f},{chance.choice('abc')},{chance.choice(['no', 'yes'])}" for _ in range(300)]
    return ["size,colour,sold", *rows]


@pytest.fixture
def good(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Read]:
    """``read(body, delimiter=..., numbers=..., columns=...)`` of a file of delimited text."""
    return partial(read_text, tmp_path)
