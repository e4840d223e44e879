"""Write houses.csv and new_houses.csv, the files of the guide: districts as the census of California counts them.

The rows are drawn by chance with a fixed seed, so that everybody has the same files.
``make_houses.py 400`` writes fewer of them.
"""

from __future__ import annotations

import csv
import math
import random
import sys
from pathlib import Path

COLUMNS = (
    "longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms", "population", "households",
    "median_income", "ocean_proximity", "median_house_value",
)  # fmt: skip
PREMIUMS = {"NEAR BAY": 60_000, "NEAR OCEAN": 45_000, "<1H OCEAN": 30_000, "INLAND": -25_000}


def make_district(chance: random.Random) -> list[object]:
    """One row; a few districts have no count of bedrooms."""
    proximity = chance.choices(list(PREMIUMS), weights=(11, 13, 44, 32))[0]
    latitude = chance.choice((chance.gauss(34, 0.8), chance.gauss(37.7, 0.9)))
    longitude = -119.5 - 0.75 * (latitude - 36) + chance.gauss(0, 0.5) + (1.2 if proximity == "INLAND" else 0)
    households = round(math.exp(chance.gauss(6.05, 0.7))) + 2
    rooms = round(households * max(1.5, chance.gauss(5.3, 1.1)))
    population = round(households * max(1.0, chance.gauss(2.9, 0.7)))
    income, age = math.exp(chance.gauss(1.25, 0.45)), chance.randint(2, 52)
    value = 52_000 + 38_000 * income + PREMIUMS[proximity] + 700 * age - 9_000 * population / households
    value *= math.exp(chance.gauss(0, 0.18))
    bedrooms = "" if chance.random() < 0.02 else round(rooms * 0.21)
    value = min(500_001, max(15_000, round(value, -2)))
    return [
        round(longitude, 2), round(latitude, 2), age, rooms, bedrooms, population, households,
        round(income, 4), proximity, int(value),
    ]  # fmt: skip


def write(path: Path, rows: int, seed: int) -> None:
    """Write a header and ``rows`` rows."""
    chance = random.Random(seed)  # noqa: S311 - an example needs no secrets
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(make_district(chance) for _ in range(rows))


if __name__ == "__main__":
    write(Path("houses.csv"), int(sys.argv[1]) if len(sys.argv) > 1 else 4_000, seed=1)
    write(Path("new_houses.csv"), 50, seed=2)
