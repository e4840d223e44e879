"""The base of every record that crosses a stage's border as JSON."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

__all__ = ["Record"]


class Record(BaseModel):
    """Frozen, typed, closed: an unknown field is an error. Kept as JSON in the artefacts bucket."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def to_bytes(self) -> bytes:
        """The JSON document."""
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def from_bytes(cls, document: bytes) -> Self:
        """Read what ``to_bytes`` wrote; raise pydantic.ValidationError when it is something else."""
        return cls.model_validate_json(document)
