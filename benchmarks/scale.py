"""Simulation of France on 16 to 1024 cores, from stage times measured on one core: hours, bytes, cost, bottlenecks.

Run: python -m benchmarks.scale [--help]. Each core processes one partition after another. Each date of a partition
waits in turn for the catalogue, for its share of the bandwidth and for the core; results wait for PUTs to the store;
claiming and finishing a partition wait for the database. Queues form where a shared server is slower than its clients.
A partition is a run of blocks of the imagery; its fields reach into the blocks to the right and below, which are
fetched again for it, so that more partitions read more bytes. The speeds of services are arguments, whose defaults are
what can be rented; those of stages were measured.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass, field

STAGES = {"locate and gather": 10.2, "script": 5.3, "reduce": 0.8, "render": 5.0}
"""Microseconds of one core per feature and date, measured with 50,000 touching parcels, 3 dates, B04+B08+SCL, NDVI."""
PER_FEATURE = {"other": 17.0, "write": 28.0}
"""Microseconds of one core per feature, whatever the number of dates: geometry, and the call that writes one file."""
DECODED = 350e6
"""Compressed bytes of imagery that one core decodes per second."""
BLOCK = 2.8e6
"""Compressed bytes of an area of 10.24 x 10.24 km on one date: 1024 x 1024 px of B04 and B08, 512 x 512 px of SCL."""
BLOCK_KM2 = 10.24**2
BLOCKS_PER_ROW = 11
"""Blocks in a row of an MGRS tile; partitions run along the rows."""
BELOW = 0.05
"""Share that is decoded of a block below a partition: decoding stops after the last row that a field needs."""
RESULT = 276
"""Bytes of one interval in a feature's JSON file."""
ANALYSIS = 49.0
"""Microseconds of one core per feature for the analysis, which has to end before processing begins."""
SAMPLES = 170
"""Samples per feature: 1.7 ha at 10 m."""
ITEMS_PER_DATE = 1.4
"""Mean number of tiles (items) that a partition needs on one date."""


@dataclass(kw_only=True)
class Line:
    """A shared server with a queue: requests are served in the order in which they arrive."""

    rate: float
    """Units of work that are served per second."""
    free_at: float = 0.0
    busy: float = 0.0
    """Seconds for which the server has worked."""

    def serve(self, now: float, units: float) -> float:
        """Serve a request of `units` that arrives at `now`; returns when it is done."""
        took = units / self.rate
        self.free_at = max(now, self.free_at) + took
        self.busy += took
        return self.free_at


@dataclass(kw_only=True)
class Shared:
    """The servers that all cores share."""

    catalogue: Line
    bandwidth: Line
    puts: Line
    database: Line
    lines: dict[str, Line] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = {
            "catalogue": self.catalogue, "bandwidth": self.bandwidth, "PUTs": self.puts, "database": self.database,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one date of a partition reads, in blocks."""

    fetched: float
    decoded: float


def reading(blocks: float) -> Reading:
    """What a partition reads whose fields begin in `blocks` blocks: a part of a row, or several rows, of a tile."""
    rows = max(1.0, blocks / BLOCKS_PER_ROW)
    wide = blocks / rows + 1
    return Reading(fetched=wide * (rows + 1), decoded=wide * (rows + BELOW))


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """The result of a simulation."""

    seconds: float
    """Duration of processing, without the analysis."""
    busy: dict[str, float]
    """Server, or `cores` → share of the time for which it was busy."""
    partitions: int
    read: float
    """Bytes of imagery read."""


def simulate(cores: int, given: argparse.Namespace) -> Simulation:
    """Simulate the processing of all partitions."""
    shared = Shared(
        catalogue=Line(rate=given.searches), bandwidth=Line(rate=given.gigabytes * 1e9),
        puts=Line(rate=given.puts), database=Line(rate=given.database),
    )  # fmt: skip
    sizes = features_of_partitions(cores, given)
    count = len(sizes)
    share = reading(given.area / BLOCK_KM2 / count)
    per_date, once = sum(STAGES.values()) * 1e-6, sum(PER_FEATURE.values()) * 1e-6
    queue = [(0.0, core, given.dates + 1, 0.0) for core in range(cores)]  # time, core, dates left, features
    heapq.heapify(queue)
    computing = end = read = 0.0
    while queue:
        now, core, left, features = heapq.heappop(queue)
        if left == given.dates + 1:
            if not sizes:
                continue
            after = shared.database.serve(now, 1)
            heapq.heappush(queue, (after, core, given.dates, sizes.pop()))
        elif left > 0:
            seconds = features * per_date + share.decoded * BLOCK / DECODED
            asked = shared.catalogue.serve(now, 1) + given.latency
            brought = shared.bandwidth.serve(asked, share.fetched * BLOCK) + ITEMS_PER_DATE * given.latency
            computing += seconds
            read += share.fetched * BLOCK
            heapq.heappush(queue, (max(brought, asked + seconds), core, left - 1, features))
        else:
            seconds = features * once
            computing += seconds
            sent = shared.bandwidth.serve(now, features * given.dates * RESULT)
            written = max(shared.puts.serve(now, features), sent, now + seconds + features * given.latency / 32)
            end = max(end, shared.database.serve(written, 1))
            heapq.heappush(queue, (shared.database.free_at, core, given.dates + 1, 0.0))
    busy = {name: line.busy / end for name, line in shared.lines.items()}
    return Simulation(seconds=end, busy={"cores": computing / end / cores, **busy}, partitions=count, read=read)


def features_of_partitions(cores: int, given: argparse.Namespace) -> list[float]:
    """Number of features in each partition, of uneven sizes. The pixel budget sets the number of partitions; there are
    at least two for each core."""
    count = max(-(-given.parcels * SAMPLES // given.budget), 2 * cores)
    chance = random.Random(1)
    sizes = [chance.lognormvariate(0, 0.25) for _ in range(count)]
    return [given.parcels * size / sum(sizes) for size in sizes]


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--parcels", type=int, default=9_500_000)
    arguments.add_argument("--dates", type=int, default=70, help="images of each place, an interval for each")
    arguments.add_argument("--area", type=float, default=551_500.0, help="square kilometres over which they are spread")
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
    written = given.parcels * given.dates * RESULT / 1e12
    print(
        f"{given.parcels:,} parcels, {given.dates} dates: {written:.2f} TB written, {analysis / 60:.0f} min of analysis"
    )
    print(
        f"{'cores':>6} {'partitions':>10} {'TB read':>8} {'hours':>6} {'cost':>6} {'cores busy':>10}  busiest service"
    )
    for cores in given.cores:
        run = simulate(cores, given)
        hours = (analysis + run.seconds) / 3600
        cost = cores * hours * given.core_hour + given.parcels / 1e6 * given.million_puts
        service = max((name for name in run.busy if name != "cores"), key=lambda name: run.busy[name])
        print(
            f"{cores:6d} {run.partitions:10d} {run.read / 1e12:8.2f} {hours:6.2f} {cost:6.1f} "
            f"{run.busy['cores']:10.0%}  {service} {run.busy[service]:.0%}"
        )


if __name__ == "__main__":
    main()
