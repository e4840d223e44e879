"""Do the registry's reads grow with the table? 10,000 models and 100,000 versions, compared with a table of ten models.

The calls go through the registry's own code to a table in memory that counts what DynamoDB would bill: requests, items,
and read units of 4 KB. The floor is the same call on the small table. Then 8 clients promote and roll back one alias
1,000 times while two readers check that exactly one version is live; afterwards the history is compared with the moves
of the clients.

With --api-url, --api-key (publisher), --model and --row a rollback is timed on a running stack: from the command to the
first prediction of the previous version, and to the last prediction of the version that was live, which warm functions
may return for AliasSeconds. The floor is one prediction.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import report

from modeldrop import Client
from pipeline.cloud.attributes import item_bytes
from pipeline.contracts.errors import ConflictError
from pipeline.contracts.paging.listing import name_shard
from pipeline.contracts.ports import Item
from pipeline.contracts.table_keys import alias_key, history_prefix, model_key, version_key
from pipeline.intake.run_log import RunLog
from pipeline.registry.aliases import AliasRef
from pipeline.registry.api_keys import ApiKeys
from pipeline.registry.model_registry import ModelRegistry
from tests.fakes.objects import FakeObjectStore
from tests.fakes.records import MODEL_BYTES, NOW, artifact, model_version
from tests.fakes.table import FakeTable

CLIENTS, MOVES = 8, 1_000
LIVE = AliasRef("demo", "model-00000")


@dataclass
class CountingTable(FakeTable):
    """A table that counts reads as DynamoDB bills them."""

    requests: int = 0
    items: int = 0
    units: float = 0.0
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        """Set all counts to 0."""
        self.requests, self.items, self.units = 0, 0, 0.0

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """Return an item, and count its read."""
        item = super().get(pk, sk, consistent=consistent)
        self._count([] if item is None else [item], 1.0 if consistent else 0.5)
        return item

    def query(self, *arguments: Any, **options: Any) -> list[Item]:
        """Return the items of a query, and count their read."""
        items = super().query(*arguments, **options)
        self._count(items, 1.0)
        return items

    def get_all(self, keys: Sequence[tuple[str, str]], *, consistent: bool = True) -> list[Item]:
        """Return several items, and count the read of each."""
        items = super().get_all(keys, consistent=consistent)
        self._count(items, 1.0 if consistent else 0.5, rounds_each=True)
        return items

    def listing(self, *arguments: Any, **options: Any) -> list[Item]:
        """Return the items of a listing, and count their eventually consistent read."""
        items = super().listing(*arguments, **options)
        self._count(items, 0.5)
        return items

    def _count(self, items: Sequence[Item], unit: float, *, rounds_each: bool = False) -> None:
        """Count a request; the sizes of its items are rounded up to read units each (``rounds_each``) or together."""
        sizes = list(map(item_bytes, items))
        with self._counting:
            self.requests += 1
            self.items += len(items)
            rounded = sizes if rounds_each else [sum(sizes)]
            self.units += unit * sum(max(1, math.ceil(size / 4096)) for size in rounded)


def fill(models: int, versions: int) -> tuple[ModelRegistry, CountingTable]:
    """Return a registry of ``models`` models with ``versions`` versions each, and its table; the last one is live."""
    table, store = CountingTable(), FakeObjectStore("artifacts")
    store.put(artifact().key, MODEL_BYTES)
    record = model_version("demo_model_000000000001").model_copy(update={"status": "READY"})
    runs, keys = RunLog(table), ApiKeys(table)
    for number in range(models):
        model = f"model-{number:05d}"
        summary = {"latest_version": versions, "live_version": versions, "aliases": {"live": versions}}
        key = model_key("demo", model)
        listed = {"listing": name_shard("MODEL", key), "listed_at": model}
        table.put(_item(key, tenant="demo", model=model, **summary, **listed))
        alias = {"version": versions, "newest": versions, "at": "2026-01-02T00:00:00.000000+00:00"}
        earlier = list(range(versions - 1, 0, -1))[:20]
        table.put(_item(alias_key("demo", model, "live"), **alias, earlier=earlier))
        pk, prefix = history_prefix("demo", model)
        for version in range(1, versions + 1):
            text = record.model_copy(update={"model": model, "version": version}).model_dump_json()
            table.put(_item(version_key("demo", model, version), record=text))
            moment = f"2026-01-01T00:00:{version:02d}.000000+00:00"
            table.put(_item((pk, f"{prefix}{moment}#live"), at=moment, alias="live", version=version, by="anna"))
            began = NOW + timedelta(seconds=number * versions + version)
            runs.create(f"demo_{model}_{version:012d}", tenant="demo", model=model, file="f.csv", started_at=began)
            runs.reject("uploads", f"demo/{number}/{version}", "too deep", at=began)
        keys.create(f"other-{number:05d}")
    for _ in range(4):
        keys.create("demo")
    return ModelRegistry(table, store), table


def calls(registry: ModelRegistry, runs: RunLog, keys: ApiKeys) -> dict[str, Callable[[], object]]:
    """Return the calls of the API and the command line, by name."""
    demo, model = LIVE.tenant, LIVE.model
    return {
        "live": lambda: registry.live(demo, model),
        "summary": lambda: registry.summary(demo, model),
        "version": lambda: registry.versions.record(demo, model, 1),
        "versions, page of 5": lambda: registry.versions.page(demo, model, limit=5),
        "history, page of 5": lambda: registry.moves.page(demo, model, limit=5),
        "models, page of 5": lambda: registry.models_page(demo, limit=5),
        "models by tag, page of 5": lambda: registry.models_page(demo, tags=["team"], limit=5),
        "models of all tenants, page of 5": lambda: registry.models_page(limit=5),
        "runs, page of 5": lambda: runs.page(tenant=demo, limit=5),
        "runs of a model, page of 5": lambda: runs.page(tenant=demo, models=[model], limit=5),
        "runs of all tenants, page of 5": lambda: runs.page(limit=5),
        "rejected uploads, page of 5": lambda: runs.rejected_page(tenant=demo, limit=5),
        "keys of a tenant, page of 3": lambda: keys.page(demo, limit=3),
        "keys of all tenants, page of 5": lambda: keys.page(limit=5),
        "promote": lambda: registry.aliases.move(LIVE, 1, by="anna"),
        "rollback": lambda: registry.aliases.roll_back(LIVE, by="anna"),
        "tag": lambda: registry.lifecycle.tag(demo, model, None, {"team": "a"}),
        "archive": lambda: registry.lifecycle.archive(demo, model, 2, by="anna"),
    }


def measure(models: int, versions: int) -> dict[str, dict[str, float]]:
    """Return the requests, items and read units of each call, by name, for a table of this size."""
    registry, table = fill(models, versions)
    runs = RunLog(table)
    reads = {}
    for name, call in calls(registry, runs, ApiKeys(table)).items():
        table.reset()
        call()
        reads[name] = {"requests": table.requests, "items": table.items, "units": table.units}
    return reads


def move_often(registry: ModelRegistry, client: int, count: int) -> list[tuple[int | None, int]]:
    """Promote and roll back in turns; return the previous and the new version of each effective move."""
    moves = []
    for number in range(count):
        try:
            move = (
                registry.aliases.roll_back(LIVE, by=f"client {client}")
                if number % 3 == 2
                else registry.aliases.move(LIVE, 1 + (client + number) % 10, by=f"client {client}")
            )
        except ConflictError:
            continue
        if move is not None:
            moves.append((move.previous, move.version))
    return moves


def check_concurrency() -> dict[str, Any]:
    """Let clients move one alias concurrently, and check the history and what readers see.

    Returns:
        Numbers of moves and reads, seconds, whether each move is in the history ``once``, and whether the history is
        ``chained``: each move starts at the version where the one before ended.
    """
    registry, _ = fill(1, 10)
    before = len(registry.moves.list(LIVE.tenant, LIVE.model))
    stop = threading.Event()

    def read() -> int:
        reads = 0
        while not stop.is_set():
            assert registry.live(LIVE.tenant, LIVE.model).status == "READY"
            reads += 1
        return reads

    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS + 2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        clients = [pool.submit(move_often, registry, client, MOVES // CLIENTS) for client in range(CLIENTS)]
        moved = [move for client in clients for move in client.result()]
        seconds = time.perf_counter() - began
        stop.set()
        reads = sum(reader.result() for reader in readers)
    history = registry.moves.list(LIVE.tenant, LIVE.model)[::-1][before - 1 :]
    recorded = [(move.previous, move.version) for move in history[1:]]
    chained = all(later.previous == earlier.version for earlier, later in pairwise(history))
    once = sorted(recorded, key=str) == sorted(moved, key=str)
    return {"moves": len(moved), "reads": reads, "seconds": round(seconds, 2), "once": once, "chained": chained}


def time_rollbacks(options: argparse.Namespace) -> dict[str, Any]:
    """Roll back and promote again on a running stack, while requesting predictions."""
    row, moves = json.loads(options.row), []
    predictions: list[float] = []
    with Client(options.api_url, options.api_key) as api:

        def answering() -> int:
            began = time.perf_counter()
            url = f"{options.api_url.rstrip('/')}/v2/models/{options.model}/infer"
            response = httpx.post(url, json={"rows": [row]}, headers={"x-api-key": options.api_key}, timeout=30)
            predictions.append(time.perf_counter() - began)
            return int(response.json()["version"])

        for _ in range(options.rollbacks):
            live, began = answering(), time.perf_counter()
            move = api.rollback(options.model, reason="benchmark")
            moved = time.perf_counter() - began
            first = last = 0.0
            while time.perf_counter() - began < options.alias_seconds + 1:
                version, now = answering(), time.perf_counter() - began
                first = first or (now if version == move["version"] else 0.0)
                last = now if version == live else last
            moves.append({"moved": moved, "first_old": first, "last_new": last})
            api.promote(options.model, live, reason="benchmark")
            time.sleep(options.alias_seconds + 1)
    summary = {
        name: [round(pick(move[name] for move in moves), 3) for pick in (statistics.median, max)] for name in moves[0]
    }
    return {"median_and_max_seconds": summary, "prediction_seconds": round(statistics.median(predictions), 4)}


def main() -> None:
    """Measure the registry, or rollbacks on a running stack (``--api-url``), and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--versions", type=int, default=10)
    parser.add_argument("--api-url")
    parser.add_argument("--api-key")
    parser.add_argument("--model")
    parser.add_argument("--row", help="One row, as JSON.")
    parser.add_argument("--rollbacks", type=int, default=5)
    parser.add_argument("--alias-seconds", type=float, default=5.0)
    options = parser.parse_args()
    if options.api_url:
        results = time_rollbacks(options)
        first, last = (results["median_and_max_seconds"][name] for name in ("first_old", "last_new"))
        floor = {"prediction_seconds": results["prediction_seconds"]}
        met = first[1] <= options.alias_seconds + 1 and last[1] <= options.alias_seconds + 1
        report("rollback", results=results, floor=floor, peers={}, ratios={}, met=met)
        return
    small, large = measure(10, options.versions), measure(options.models, options.versions)
    ratios = {name: round(large[name]["units"] / small[name]["units"], 3) for name in small}
    concurrency = check_concurrency()
    for name, reads in large.items():
        print(f"{name:<34} {reads['requests']:>3} requests {reads['items']:>4} items {reads['units']:>6} units")
    report(
        "registry",
        results={"reads": large, "concurrency": concurrency},
        floor=small,
        peers={},
        ratios=ratios,
        met=max(ratios.values()) <= 1.0 and concurrency["once"] and concurrency["chained"],
    )


def _item(key: tuple[str, str], **values: object) -> Item:
    return {"pk": key[0], "sk": key[1], **values}


if __name__ == "__main__":
    main()
