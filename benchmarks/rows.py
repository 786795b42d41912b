"""The rows: releases and rebuilds, ours and the script's in turns, pair by pair."""

from __future__ import annotations

import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks import bounds
from benchmarks.figures import Series, Unit
from benchmarks.ours import NATIVE, QEMU, Ours, OursReleased
from benchmarks.script import Script, ScriptReleased
from benchmarks.stand import Side
from release_assets.process import CommandFailedError

PHASE_SECONDS = 10.0  # a tag comes at any moment of a sensor's interval
REBUILD_KIND = "middling"


@dataclass(frozen=True)
class Row:
    """A kind of release: of which sample, and whether its requirements change as well."""

    name: str
    kind: str
    new_requirements: bool = False


RELEASES = (
    Row("small", "small"),
    Row("middling-first", "middling", new_requirements=True),
    Row("middling-code", "middling"),
    Row("large-code", "large"),
)
REBUILD = Row("unchanged", REBUILD_KIND)
ROWS = {row.name: row for row in (*RELEASES, REBUILD)}


@dataclass
class Measured:
    """The figures so far, by row and what they are."""

    ours: dict[tuple[str, str, Unit], list[float]] = field(default_factory=lambda: defaultdict(list))
    script: dict[tuple[str, str, Unit], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: str, what: str, ours: float, script: float | None = None, unit: Unit = "s") -> None:
        """Add one figure, with the script's where it has one."""
        self.ours[row, what, unit].append(ours)
        if script is not None:
            self.script[row, what, unit].append(script)

    def series(self) -> Iterator[Series]:
        """Yield everything that was measured."""
        for (row, what, unit), values in self.ours.items():
            yield Series(row, what, unit, tuple(values), tuple(self.script.get((row, what, unit), ())))


@dataclass
class Bench:
    """Both sides, and how far they are."""

    ours: Ours
    script: Script
    say: Callable[[str], None]
    measured: Measured = field(default_factory=Measured)
    nonce: str = field(default_factory=lambda: secrets.token_hex(4))
    released: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # releases, by kind

    def warm_up(self, kinds: Iterable[str]) -> None:
        """Release each kind once on both sides: afterwards caches, mirrors and layers are there."""
        for kind in kinds:
            self._release(Row("warm-up", kind, new_requirements=True), script_first=True)

    def pair(self, row: Row, number: int) -> None:
        """Measure a row once on both sides. Who begins changes from pair to pair."""
        script_first = number % 2 == 1
        if row is REBUILD:
            self._rebuild(row, script_first=script_first)
            return
        try:
            ours, script = self._release(row, script_first=script_first)
        except CommandFailedError as error:
            # The sandbox's registry answers a push with 500 now and then; only ours tries again.
            self.say(f"{row.name}: the script failed, and the pair is measured again: {error}"[:200])
            ours, script = self._release(row, script_first=script_first)
        add = self.measured.add
        add(row.name, bounds.LAST_TAG, ours.last_tag - ours.pushed, script.last_tag)
        add(row.name, bounds.OWN_SECONDS, ours.release.seconds + ours.docker.seconds, script.whole)
        add(row.name, bounds.ADDED_RELEASE, ours.release.added)
        add(row.name, bounds.ADDED_DOCKER, ours.docker.added)
        add(row.name, bounds.TAG_SEEN, ours.release.created - ours.pushed)
        add(row.name, bounds.TAG_STARTED, ours.release.started - ours.pushed)
        add(row.name, bounds.RELEASE_SEEN, ours.docker.created - ours.published)
        add(row.name, bounds.RELEASE_STARTED, ours.docker.started - ours.published)
        for what, name in ((bounds.CHECKS_NATIVE, NATIVE), (bounds.CHECKS_QEMU, QEMU)):
            if name in ours.checks:
                add(row.name, what, ours.checks[name])
        add(row.name, bounds.IMAGE_BYTES, ours.image_bytes, unit="bytes")
        add(row.name, bounds.HOME_BYTES, ours.home_bytes, unit="bytes")

    def _release(self, row: Row, *, script_first: bool) -> tuple[OursReleased, ScriptReleased]:
        self.released[row.kind] += 1
        number = self.released[row.kind]
        tag = f"v1.0.{number}"
        nonce = f"{self.nonce}-{number}"

        def push(side: Side) -> Callable[[], None]:
            repository = self.ours.stand.places[row.kind, side].repository
            return repository.release(tag, nonce=f"{nonce}-{side}", new_requirements=row.new_requirements)

        def ours() -> OursReleased:
            pushes = push("ours")
            time.sleep(random.uniform(0, PHASE_SECONDS))  # noqa: S311
            return self.ours.release(row.kind, tag, pushes)

        def script() -> ScriptReleased:
            return self.script.release(self.ours.stand.places[row.kind, "script"], tag, push("script"))

        if script_first:
            theirs = script()
            own = ours()
        else:
            own = ours()
            theirs = script()
        self.say(
            f"{row.name}: {tag} of {row.kind}: {own.last_tag - own.pushed:.1f} s, "
            f"the script {theirs.last_tag:.1f} s"
        )
        return own, theirs

    def _rebuild(self, row: Row, *, script_first: bool) -> None:
        tag = f"v1.0.{self.released[row.kind]}"
        place = self.ours.stand.places[row.kind, "script"]

        if script_first:
            theirs = self.script.rebuild(place, tag)
            own = self.ours.rebuild(row.kind, tag)
        else:
            own = self.ours.rebuild(row.kind, tag)
            theirs = self.script.rebuild(place, tag)
        self.measured.add(row.name, bounds.REBUILD, own, theirs)
        self.say(f"{row.name}: {tag} of {row.kind}: {own:.1f} s, bare buildx {theirs:.1f} s")
