"""Simulation of France on 16 to 1024 cores, from stage times measured on one core: hours, bytes, cost, what saturates.

Run: python -m benchmarks.scale [--help]. Every core takes partitions one after the other; each date of a partition
waits in turn for the catalogue, for its share of the bandwidth and for the core; the results wait for the PUTs of
the store, claim and finish for the database. Lines form where a shared server is slower than its clients. Every speed
is an argument; the defaults of the stages were measured, those of the services are what one may rent.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass, field

STAGES = {"read": 14.6, "script": 5.3, "reduce": 0.8, "render": 5.0}
"""Microseconds of one core per feature and date: 50,000 touching parcels, 3 dates, B04+B08+SCL, NDVI."""
PER_FEATURE = {"other": 17.0, "write": 28.0}
"""Microseconds of one core per feature, once: geometry, and the call that writes one file."""
BYTES = 1552
"""Compressed bytes per feature and date."""
ANALYSIS = 49.0
"""Microseconds of one core per feature, before anything else can begin."""
SAMPLES = 170
"""Per feature: 1.7 ha at 10 m."""
ITEMS_PER_DATE = 1.4
"""Tiles that a partition needs on one date."""


@dataclass(kw_only=True)
class Line:
    """A shared server: who comes waits until those before are served."""

    rate: float
    """Units per second."""
    free_at: float = 0.0
    busy: float = 0.0
    """Seconds it worked."""

    def serve(self, now: float, units: float) -> float:
        """When it is done."""
        took = units / self.rate
        self.free_at = max(now, self.free_at) + took
        self.busy += took
        return self.free_at


@dataclass(kw_only=True)
class Shared:
    """What all cores share."""

    catalogue: Line
    bandwidth: Line
    puts: Line
    database: Line
    lines: dict[str, Line] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = {
            "catalogue": self.catalogue, "bandwidth": self.bandwidth, "PUTs": self.puts, "database": self.database,
        }  # fmt: skip


def simulate(cores: int, given: argparse.Namespace) -> tuple[float, dict[str, float], int]:
    """Seconds without the analysis, the share of time that each server and the cores were busy, and the partitions."""
    shared = Shared(
        catalogue=Line(rate=given.searches), bandwidth=Line(rate=given.gigabytes * 1e9),
        puts=Line(rate=given.puts), database=Line(rate=given.database),
    )  # fmt: skip
    count = max(-(-given.parcels * SAMPLES // given.budget), 2 * cores)
    chance = random.Random(1)
    sizes = [given.parcels / count * chance.lognormvariate(0, 0.25) for _ in range(count)]
    scale = given.parcels / sum(sizes)
    sizes = [size * scale for size in sizes]
    per_date, once = sum(STAGES.values()) * 1e-6, sum(PER_FEATURE.values()) * 1e-6
    queue = [(0.0, core, given.dates + 1, 0.0) for core in range(cores)]  # time, core, dates left, features
    heapq.heapify(queue)
    computing = end = 0.0
    while queue:
        now, core, left, features = heapq.heappop(queue)
        if left == given.dates + 1:
            if not sizes:
                continue
            after = shared.database.serve(now, 1)
            heapq.heappush(queue, (after, core, given.dates, sizes.pop()))
        elif left > 0:
            seconds = features * per_date
            asked = shared.catalogue.serve(now, 1) + given.latency
            brought = shared.bandwidth.serve(asked, features * BYTES) + ITEMS_PER_DATE * given.latency
            computing += seconds
            heapq.heappush(queue, (max(brought, asked + seconds), core, left - 1, features))
        else:
            seconds = features * once
            computing += seconds
            written = max(shared.puts.serve(now, features), now + seconds + features * given.latency / 32)
            end = max(end, shared.database.serve(written, 1))
            heapq.heappush(queue, (shared.database.free_at, core, given.dates + 1, 0.0))
    busy = {name: line.busy / end for name, line in shared.lines.items()}
    return end, {"cores": computing / end / cores, **busy}, count


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--parcels", type=int, default=9_500_000)
    arguments.add_argument("--dates", type=int, default=70)
    arguments.add_argument("--cores", type=int, nargs="+", default=[16, 32, 64, 128, 256, 512, 1024])
    arguments.add_argument("--budget", type=int, default=4_000_000, help="ARPENT_PIXEL_BUDGET")
    arguments.add_argument("--gigabytes", type=float, default=5.0, help="what the image store gives per second, in all")
    arguments.add_argument("--puts", type=float, default=3500.0, help="objects the store takes per second")
    arguments.add_argument("--searches", type=float, default=50.0, help="answers of the catalogue per second")
    arguments.add_argument("--database", type=float, default=185.0, help="claims or finishes per second")
    arguments.add_argument("--latency", type=float, default=0.03, help="seconds until the store or catalogue answers")
    arguments.add_argument("--core-hour", type=float, default=0.04, help="price")
    arguments.add_argument("--million-puts", type=float, default=5.0, help="price")
    given = arguments.parse_args()
    analysis = given.parcels * ANALYSIS * 1e-6
    terabytes = given.parcels * given.dates * BYTES / 1e12
    print(
        f"{given.parcels:,} parcels, {given.dates} dates: {terabytes:.2f} TB read, {analysis / 60:.0f} min of analysis"
    )
    print(f"{'cores':>6} {'partitions':>10} {'minutes':>8} {'cost':>7} {'cores busy':>10}  busiest service")
    for cores in given.cores:
        seconds, busy, count = simulate(cores, given)
        total = analysis + seconds
        cost = cores * total / 3600 * given.core_hour + given.parcels / 1e6 * given.million_puts
        service = max((name for name in busy if name != "cores"), key=lambda name: busy[name])
        print(
            f"{cores:6d} {count:10d} {total / 60:8.1f} {cost:7.1f} {busy['cores']:10.0%}  {service} {busy[service]:.0%}"
        )


if __name__ == "__main__":
    main()
