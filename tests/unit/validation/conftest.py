"""A file is dropped and validated, with both buckets in memory."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.contracts.dataset import Dataset
from pipeline.contracts.job_spec import JobSpec
from pipeline.contracts.names import RunKeys
from pipeline.contracts.run import Upload
from pipeline.validation.validate import validate
from tests.fakes.objects import FakeObjectStore

RUN = "demo_model_0123456789ab"
KEYS = RunKeys.of(RUN)


@dataclass(frozen=True)
class Validated:
    """What a run's first stage left in the artefacts bucket."""

    dataset: Dataset
    artifacts: FakeObjectStore

    def split(self, name: str) -> pl.DataFrame:
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
def drop(tmp_path: Path) -> Callable[..., Validated]:
    """``drop(file, body, spec="...", companions={"test.csv": "..."}, target="...")``: the metadata are keywords."""

    def dropped(
        file: str,
        body: str | bytes,
        spec: str | None = None,
        companions: Mapping[str, str] | None = None,
        **metadata: str,
    ) -> Validated:
        uploads, artifacts = FakeObjectStore("uploads"), FakeObjectStore("artifacts")
        for name, text in (companions or {}).items():
            uploads.put(f"demo/model/{name}", text.encode())
        if spec is not None:
            uploads.put("demo/model/train.yaml", spec.encode())
        key = f"demo/model/{file}"
        uploads.put(key, body.encode() if isinstance(body, str) else body, metadata=metadata)
        head = uploads.head(key)
        upload = Upload(
            bucket="uploads",
            key=key,
            version_id=head.version_id,
            bytes=head.bytes,
            etag=head.etag,
            metadata=dict(head.metadata),
        )
        return Validated(validate(RUN, upload, uploads=uploads, artifacts=artifacts, workdir=tmp_path), artifacts)

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
