"""Gap: CloudWatch Logs keeps every line twice in memory, and writes all only at a clean end."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from ministack.services import cloudwatch_logs

from pipeline.local.private_names import private_names
from pipeline.local.store.journal import Journal
from pipeline.local.store.stored_dict import StoredDict

__all__ = ["PRIVATE_NAMES", "install"]

PRIVATE_NAMES = private_names(cloudwatch_logs, "_log_groups", "_log_records", "load_persisted_state(data)")

Group = dict[str, Any]
_MAX_STREAMS = 5000  # per group: MiniStack has a stream for each call of a function


def install(journal: Journal) -> None:
    """Store the streams of all groups in the journal. GetLogRecord finds nothing."""
    groups = _Groups(journal)
    load = cloudwatch_logs.load_persisted_state

    def load_groups(data: Mapping[str, Any]) -> None:
        read: dict[Any, Group] = {}
        cloudwatch_logs._log_groups._data = (
            read  # loading sorts the events of all streams, which would read them from disk
        )
        load(data)
        groups.update(read)
        cloudwatch_logs._log_groups._data = groups

    cloudwatch_logs._log_groups._data = groups
    cloudwatch_logs._log_records._data = _DiscardingDict()
    cloudwatch_logs.load_persisted_state = load_groups


class _Groups(dict[Any, Group]):
    """Log groups by account, region and name; their streams are in the journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def __setitem__(self, key: Any, group: Group) -> None:
        streams = StoredDict(self._journal, "log-streams/" + "/".join(key), limit=_MAX_STREAMS)
        streams.update(group["streams"])
        group["streams"] = streams
        super().__setitem__(key, group)

    def __delitem__(self, key: Any) -> None:
        self[key]["streams"].clear()
        super().__delitem__(key)

    def __deepcopy__(self, memo: Any) -> dict[Any, Group]:
        return {key: deepcopy(group, memo) for key, group in self.items()}

    def update(self, groups: Any, /, **more: Any) -> None:  # type: ignore[override]
        for key, group in groups.items():
            self[key] = group


class _DiscardingDict(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        """Store nothing."""
