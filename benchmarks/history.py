"""What does a long history cost on the embedded cloud? Memory, start, `modeldrop runs` and idle CPU with many runs.

A few small files are dropped; then the records and contents of the last run are copied under other names up to the
requested number of runs (contents as hard links, which need no disk space). The floor is the same server without runs.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import report

from pipeline.local import control
from pipeline.local.home import Home
from pipeline.local.store.stored_dict import decode, encode

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-c", "import sys; from pipeline.cli.entry import main; sys.exit(main())")
MAX_MEGABYTES, MAX_SECONDS, MAX_IDLE_PERCENT = 400.0, 1.0, 3.0
_OBJECTS = "s3-objects/"
Row = tuple[str, bytes, bytes]


def small_file(number: int) -> bytes:
    """Return a csv file of 500 random rows with a label, seeded by ``number``."""
    draw = random.Random(number)
    rows = ((draw.gauss(0, 1), draw.gauss(0, 1), draw.choice("xyz")) for _ in range(500))
    lines = (f"{a:.3f},{b:.3f},{c},{'yes' if a + b * (c == 'x') > draw.gauss(0, 0.3) else 'no'}" for a, b, c in rows)
    return "\n".join(("a,b,c,label", *lines, "")).encode()


def modeldrop(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command ``modeldrop`` on the cloud in ``home``.

    Raises:
        subprocess.CalledProcessError: The command fails.
    """
    environment = {**os.environ, "MODELDROP_HOME": str(home.path), "PYTHONPATH": str(ROOT)}
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=True)


def drop(home: Home, number: int) -> str:
    """Drop a small file, wait for its run, and return the name of the run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.csv"
        file.write_bytes(small_file(number))
        modeldrop(home, "drop", str(file), "--yes", "--json")
    return str(newest_run(home))


def newest_run(home: Home) -> str:
    """Return the name of the newest run, from the stored records."""
    with sqlite3.connect(home.records) as records:
        rows = records.execute("SELECT key FROM records WHERE store = 'executions' ORDER BY id DESC LIMIT 1").fetchall()
    return str(decode(rows[0][0])[2].rsplit(":", 1)[1])


def rows_of(home: Home, run: str) -> list[Row]:
    """Return the records that contain the name of a run, without those of queues."""
    with sqlite3.connect(home.records) as records:
        rows = records.execute("SELECT store, key, value FROM records").fetchall()
    return [row for row in rows if run.encode() in row[1] + row[2] and not row[0].startswith("sqs-")]


def copies_of(home: Home, rows: list[Row], run: str, number: int) -> Iterator[Row]:
    """Yield copies of a run's records for a new run, whose name ends with ``number``."""
    copied_run = f"{run[:-12]}{number:012x}"
    for store, key, value in rows:
        new_key, new_value = (text.replace(run.encode(), copied_run.encode()) for text in (key, value))
        if store.startswith(_OBJECTS) or store == "s3-versions":
            link_contents(home, store, (key, value), (new_key, new_value))
        elif new_key == key:  # keys without the run's name: a version of the model, a log stream of a function
            new_key = encode([*decode(key)[:-1], f"{decode(key)[-1]}-{number}"]) if store == "dynamodb-items" else b""
            new_key = new_key or encode(f"{decode(key)}-{number}")
        yield store, new_key, new_value


def link_contents(home: Home, store: str, row: tuple[bytes, bytes], copy: tuple[bytes, bytes]) -> None:
    """Make a hard link to the content of an object for the object's copy.

    Args:
        home: Folder of the cloud.
        store: Store of the records.
        row: Key and value of the object's record.
        copy: Key and value of the copy's record.
    """
    from pipeline.local.hooks.persistence.objects import file_name

    names = []
    for raw, value in (row, copy):
        if store == "s3-versions":
            account, (bucket, key) = decode(raw)
            record = decode(value)[-1]
        else:
            account, bucket = store.removeprefix(_OBJECTS).split("/")
            key, record = decode(raw), decode(value)
        name = file_name(account, bucket, key, record)
        names.append(home.contents / name[:2] / name)
    names[1].parent.mkdir(exist_ok=True)
    if names[0].exists() and not names[1].exists():
        names[1].hardlink_to(names[0])


def grow(home: Home, run: str, runs: int) -> None:
    """Copy a run's records until there are ``runs`` runs; the server must be down."""
    originals = rows_of(home, run)
    rows = (row for number in range(1, runs) for row in copies_of(home, originals, run, number))
    with sqlite3.connect(home.records) as records:
        records.executemany("INSERT OR REPLACE INTO records (store, key, value) VALUES (?, ?, ?)", rows)


def measured(home: Home) -> dict[str, Any]:
    """Start the server, and return seconds to start and to list runs, idle CPU percent, and resident megabytes."""
    began = time.perf_counter()
    status = control.up(home=home.path)
    up = time.perf_counter() - began
    assert status.running
    began, used = time.perf_counter(), own_cpu_seconds()
    modeldrop(home, "runs")
    listed, listed_cpu = time.perf_counter() - began, own_cpu_seconds() - used
    time.sleep(30)  # until the functions are loaded
    server = home.server()
    assert server is not None
    before = cpu_seconds(server.pid)
    time.sleep(30)
    idle = (cpu_seconds(server.pid) - before) / 30 * 100
    megabytes = resident_megabytes(server.pid)
    figures = {
        "up_s": up,
        "runs_s": listed,
        "runs_cpu_s": listed_cpu,
        "idle_cpu_percent": idle,
        "resident_mb": megabytes,
    }
    print(figures, file=sys.stderr)
    return figures


def own_cpu_seconds() -> float:
    """Return the CPU seconds of all commands that this process has run."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a server and of its child processes."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def main() -> int:
    """Measure the requested numbers of runs, and print the report; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[140, 1000])
    parser.add_argument("--real", type=int, default=2, help="number of real runs, the others are copies")
    arguments = parser.parse_args()
    home = Home(Path(tempfile.mkdtemp(prefix="modeldrop-history-")))
    try:
        control.up(home=home.path)
        control.down(home=home.path)
        floor = measured(home)
        run = [drop(home, number) for number in range(arguments.real)][-1]
        results = {}
        for runs in arguments.runs:
            control.down(home=home.path)
            grow(home, run, runs)
            results[str(runs)] = measured(home)
    finally:
        control.down(home=home.path, wipe=True)
        shutil.rmtree(home.path)
    met = all(
        figures["resident_mb"] <= MAX_MEGABYTES
        and figures["runs_cpu_s"] <= MAX_SECONDS
        and figures["idle_cpu_percent"] <= MAX_IDLE_PERCENT
        for figures in results.values()
    )
    last = results[str(arguments.runs[-1])]
    ratios = {name: last[name] / floor[name] for name in floor}
    report(
        "history",
        results=results,
        floor=floor,
        peers={},
        ratios=ratios,
        met=met,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
