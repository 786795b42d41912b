"""Bounds: how much each figure may be, and how much it should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.figures import Comparison, Series, Spread

LAST_TAG = "tag push to last tag"
OWN_SECONDS = "the two runs' own seconds"
ADDED_RELEASE = "added to the tools, release half"
ADDED_DOCKER = "added to the tools, docker half"
TAG_SEEN = "tag push to run created"
TAG_STARTED = "tag push to run start"
RELEASE_SEEN = "release published to docker run created"
RELEASE_STARTED = "release published to docker run start"
REBUILD = "rebuild"
CHECKS_NATIVE = "checks, native"
CHECKS_QEMU = "checks, under QEMU"
TICK = "CPU of a tick"
CPU = "CPU, of one core"
MEMORY = "memory"
WRITTEN = "written by the processes"
HOME = "DAGSTER_HOME grows"
CURSOR = "largest cursor"
LOAD = "CPU of loading the code location"
IMAGE_BYTES = "image, as it is pulled"
HOME_BYTES = "DAGSTER_HOME grows by a release"
LOOKS = "longest time between two looks"
GAP = "tag push to run created, last of 20"
LAUNCHES = "first to last start of 20 runs"

RELEASES = ("small", "middling-first", "middling-code", "large-code")
GOAL = "50 projects, 2000 tags"


@dataclass(frozen=True)
class Bound:
    """The median of `what` must be at most `must`, and at most `aim` if we can; compared with the script."""

    what: str
    by: Comparison
    must: float
    aim: float | None = None
    rows: tuple[str, ...] | None = None  # None: every row that has such a series


BOUNDS = (
    Bound(LAST_TAG, "ratio", must=1.3, aim=1.0, rows=RELEASES),
    Bound(OWN_SECONDS, "ratio", must=1.0, aim=0.8, rows=RELEASES),
    Bound(ADDED_RELEASE, "value", must=5.0, aim=3.0),
    Bound(ADDED_DOCKER, "value", must=5.0, aim=3.0),
    Bound(TAG_SEEN, "value", must=6.0),
    Bound(RELEASE_SEEN, "value", must=5.0),
    Bound(REBUILD, "difference", must=8.0, aim=5.0),
    Bound(CHECKS_NATIVE, "value", must=1.5, rows=("small",)),
    Bound(CHECKS_QEMU, "value", must=4.0, rows=("small",)),
    Bound(TICK, "value", must=20.0),
    Bound(CPU, "value", must=25.0, rows=(GOAL,)),
    Bound(MEMORY, "value", must=1024.0, rows=(GOAL,)),
    Bound(GAP, "value", must=15.0, rows=(GOAL,)),
    Bound(LAUNCHES, "value", must=30.0, rows=(GOAL,)),
)


@dataclass(frozen=True)
class Judged:
    """A series with its bound, if it has one: the figure that is compared, and whether it is kept."""

    series: Series
    bound: Bound | None
    figure: Spread

    @property
    def is_missed(self) -> bool:
        """Return whether the median is more than it must be."""
        return self.bound is not None and self.figure.median > self.bound.must

    @property
    def is_aim(self) -> bool:
        """Return whether the median is what we aim at; False where there is no aim."""
        return self.bound is not None and self.bound.aim is not None and self.figure.median <= self.bound.aim


def bound_of(series: Series, bounds: Sequence[Bound] = BOUNDS) -> Bound | None:
    """Return the bound of a series, or None where it has none."""
    for bound in bounds:
        if bound.what == series.what and (bound.rows is None or series.row in bound.rows):
            return bound
    return None


def judge(measured: Iterable[Series], bounds: Sequence[Bound] = BOUNDS) -> Iterator[Judged]:
    """Yield every series with its bound; what has none is compared by ratio if the script has it."""
    for series in measured:
        bound = bound_of(series, bounds)
        by: Comparison = bound.by if bound else "ratio" if series.script else "value"
        yield Judged(series, bound, series.compared(by))
