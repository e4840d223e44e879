"""Base class of all records that stages exchange as JSON."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict

__all__ = ["Record"]


class Record(BaseModel):
    """Frozen pydantic model that rejects unknown fields. Stored as JSON in the artifacts bucket."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def to_bytes(self) -> bytes:
        """Serialize to JSON, UTF-8."""
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def from_bytes(cls, document: bytes) -> Self:
        """Parse what ``to_bytes`` returned.

        Raises:
            pydantic.ValidationError: The document is not such a record.
        """
        return cls.model_validate_json(document)
