"""Fetch two files of the npm package onnxruntime-web, once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.contracts.errors import ConfigurationError, IntegrityError

__all__ = ["VERSION", "read_runtime"]

VERSION = "1.30.0"
_PACKAGE = f"onnxruntime-web@{VERSION}"
_SECONDS = 300
_SHA256: Mapping[str, str] = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}


def read_runtime(cache: Path | None = None) -> dict[str, bytes]:
    """Return the files of onnxruntime-web by name; npm fetches the package the first time.

    Args:
        cache: Folder that stores the files; None: the user's cache folder.

    Raises:
        ConfigurationError: npm is not installed, or cannot fetch the package.
        IntegrityError: The files differ from those that were tested.
    """
    folder = cache or Path.home() / ".cache" / "modeldrop" / f"onnxruntime-web-{VERSION}"
    if not all((folder / name).is_file() for name in _SHA256):
        _fetch(folder)
    files = {name: (folder / name).read_bytes() for name in _SHA256}
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != _SHA256[name]:
            raise IntegrityError(f"{folder / name} is not the file of {_PACKAGE} that was tested: delete it")
    return files


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigurationError(f"the target web needs npm, which fetches {_PACKAGE}: install Node.js (nodejs.org)")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:  # another process may fetch the files at the same time
        command = [npm, "pack", _PACKAGE, "--silent", "--pack-destination", scratch]
        try:
            result = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise ConfigurationError(f"npm did not fetch {_PACKAGE} within {_SECONDS} s") from None
        packed = next(iter(Path(scratch).glob("*.tgz")), None)
        if result.returncode or packed is None:
            reason = (result.stderr.strip().splitlines() or ["no message"])[0]
            raise ConfigurationError(f"npm cannot fetch {_PACKAGE}: {reason}")
        with tarfile.open(packed) as archive:
            for name in _SHA256:
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None, "the version is pinned, and has the file"
                extracted = Path(scratch, name)
                extracted.write_bytes(member.read())
                extracted.replace(folder / name)
