"""Models from a folder in Triton's layout, ``NAME/VERSION/model.onnx``, or from one file; reloads changed files."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline.contracts.errors import ModeldropError, NotFoundError
from pipeline.server.models.model_files import LOCAL_TENANT, FileStamp, SessionFactory, load_model_file, stamp_file
from pipeline.serving.api.model_source import LIVE, ModelReference
from pipeline.serving.loaded_model import LoadedModel

__all__ = ["FileModels", "Index", "index_file", "index_folder"]

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_VERSION = re.compile(r"[1-9][0-9]{0,5}")
_FILE = "model.onnx"
Index = dict[str, dict[int, FileStamp]]  # model -> version -> file


def index_folder(folder: Path) -> Index:
    """Return the model files of ``folder``, as ``NAME/VERSION/model.onnx``; other files are ignored."""
    index: Index = {}
    for path in folder.glob(f"*/*/{_FILE}"):
        name, version = path.parts[-3:-1]
        if _NAME.fullmatch(name) and _VERSION.fullmatch(version):
            try:
                index.setdefault(name, {})[int(version)] = stamp_file(path)
            except OSError:
                continue  # the file was deleted after the glob found it
    return index


def index_file(path: Path, name: str) -> Index:
    """Return one file as version 1 of a model; empty while the file is missing."""
    try:
        return {name: {1: stamp_file(path)}}
    except OSError:
        return {}


class FileModels:
    """Models from files. Thread-safe.

    The live version of a model is the newest one. The old model of a changed file responds until the new one is loaded:
    requests do not wait, and a damaged file replaces nothing. The most recently used models stay loaded.

    Args:
        read_index: Returns the model files that currently exist.
        make_session: Creates a session from the bytes of an ONNX file.
        max_bytes: Maximum total size of the loaded files; the file used last stays loaded whatever its size.
        report: Called with a sentence about a file that cannot be loaded.
    """

    def __init__(
        self,
        read_index: Callable[[], Index],
        make_session: SessionFactory,
        *,
        max_bytes: int,
        report: Callable[[str], None],
    ) -> None:
        self._read_index = read_index
        self._make_session = make_session
        self._max_bytes = max_bytes
        self._report = report
        self._index: Index = {}
        self._live: Mapping[str, int] = {}
        self._loaded: OrderedDict[FileStamp, LoadedModel] = OrderedDict()
        self._damaged: set[FileStamp] = set()
        self._unloaded: set[str] = set()
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # load one file at a time, to limit the memory peak

    def find(self, reference: ModelReference) -> LoadedModel:
        """Return the version that a reference names, loaded; ``live`` is the newest version.

        Raises:
            NotFoundError: There is no such model, version or alias.
            IntegrityError: The version's file is missing or damaged.
        """
        name, version = reference.model, reference.version
        if version is None and reference.alias == LIVE:
            version = self._live.get(name)
        stamp = self._index.get(name, {}).get(version or 0)
        if version is None or stamp is None or name in self._unloaded:
            raise NotFoundError(f"there is no such version of the model '{name}'")
        with self._lock:
            if loaded := self._loaded.get(stamp):
                self._loaded.move_to_end(stamp)
                return loaded
        return self._load(name, version, stamp)

    def versions(self, tenant: str, model: str) -> Sequence[int]:
        """Return the versions of a model, oldest first, for any tenant."""
        return [] if model in self._unloaded else sorted(self._index.get(model, {}))

    def names(self, tenant: str = LOCAL_TENANT) -> list[str]:
        """Return the names of all models that can be called."""
        return sorted(name for name in self._index if name not in self._unloaded)

    def all_names(self, tenant: str = LOCAL_TENANT) -> list[str]:
        """Return the names of all models, unloaded ones included."""
        return sorted(self._index)

    def live_version(self, tenant: str, model: str) -> int | None:
        """Return the number of the live version; None for an unknown or unloaded model."""
        return None if model in self._unloaded else self._live.get(model)

    @property
    def loaded_bytes(self) -> int:
        """Return the total size of the loaded files in bytes."""
        with self._lock:
            return sum(model.file_bytes for model in self._loaded.values())

    def load(self, tenant: str, model: str) -> None:
        """Load the live version of a model, even if it was unloaded.

        Raises:
            NotFoundError: There is no such model.
            IntegrityError: The model's file is damaged.
        """
        self.refresh()
        if model not in self._live:
            raise NotFoundError(f"there is no model '{model}'")
        self._unloaded.discard(model)
        self.find(ModelReference(tenant, model))

    def unload(self, tenant: str, model: str) -> None:
        """Free a model's memory, and refuse requests for it until it is loaded again.

        Raises:
            NotFoundError: There is no such model.
        """
        if model not in self._index:
            raise NotFoundError(f"there is no model '{model}'")
        self._unloaded.add(model)
        with self._lock:
            for stamp in self._index[model].values():
                self._loaded.pop(stamp, None)

    def close(self) -> None:
        """Do nothing: there is no background work."""

    def refresh(self) -> None:
        """Find new, changed and removed files; load new live versions before they replace the old ones."""
        files = self._read_index()
        if files == self._index:
            return
        index: Index = {}
        live = {}
        for name, versions in files.items():
            usable = {number: stamp for number, stamp in versions.items() if self._is_usable(name, number, stamp)}
            for number in versions:
                old = self._index.get(name, {}).get(number)
                if number not in usable and old is not None and old in self._loaded:
                    usable[number] = old  # the loaded model stays until its replacement can be loaded
            if usable:
                index[name] = usable
                live[name] = max(usable)
        self._index, self._live = index, live
        self._forget()

    def _is_usable(self, name: str, version: int, stamp: FileStamp) -> bool:
        if stamp in self._damaged:
            return False
        with self._lock:
            if stamp in self._loaded or self._index.get(name, {}).get(version) == stamp:
                return True
        if self._is_full(stamp.size):
            return True  # the first request that needs the file loads it
        try:
            self._load(name, version, stamp)
        except ModeldropError as error:
            self._damaged.add(stamp)
            self._report(str(error))
            return False
        return True

    def _is_full(self, more_bytes: int) -> bool:
        return self.loaded_bytes + more_bytes > self._max_bytes

    def _load(self, name: str, version: int, stamp: FileStamp) -> LoadedModel:
        with self._loading:
            with self._lock:
                if loaded := self._loaded.get(stamp):
                    return loaded
            loaded = load_model_file(stamp.path, model=name, version=version, make_session=self._make_session)
            with self._lock:
                self._loaded[stamp] = loaded
                while len(self._loaded) > 1 and sum(m.file_bytes for m in self._loaded.values()) > self._max_bytes:
                    self._loaded.popitem(last=False)
        return loaded

    def _forget(self) -> None:
        """Free the models of files that are no longer indexed; requests that use them still finish."""
        indexed = {stamp for versions in self._index.values() for stamp in versions.values()}
        with self._lock:
            for stamp in [stamp for stamp in self._loaded if stamp not in indexed]:
                del self._loaded[stamp]
        self._damaged &= {stamp for versions in self._read_index().values() for stamp in versions.values()}
