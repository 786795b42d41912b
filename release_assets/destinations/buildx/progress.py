"""Read what buildx reports as it builds: readable lines, and the seconds of each step."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from release_assets.destinations.attestations import BaseImage
from release_assets.destinations.buildx.error_origin import Failure
from release_assets.text import last_state, shortened

PROGRESS_SECONDS = 5.0  # between two lines about the same layer on its way
LINE_CHARACTERS = 2000  # of a step's output in one line of the log

Log = Callable[[str], None]


@dataclass(frozen=True)
class BuiltStep:
    """A step of the Dockerfile: its name as buildx shows it, its seconds, and whether the cache had it."""

    name: str
    seconds: float
    cached: bool


def cache_hit_rate(steps: Iterable[BuiltStep]) -> float | None:
    """Return the part of the steps that came from the cache: None without any that could, as FROM cannot."""
    could_hit = [step for step in steps if not re.match(r"\[[^\]]*\] FROM ", step.name)]
    return sum(step.cached for step in could_hit) / len(could_hit) if could_hit else None


@dataclass
class _Vertex:
    """A part of the build as BuildKit reports it: a Dockerfile's step, or something of its own."""

    name: str = ""
    cached: bool = False
    completed: dict[float, float] = field(default_factory=dict)  # of each time it began, when it ended
    started: float | None = None
    error: str = ""
    unfinished: str = ""  # the output after the last line break
    output: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def intervals(self) -> list[tuple[float, float]]:
        return list(self.completed.items())


class Progress:
    """Reads buildx's rawjson as it comes: says readable lines, and remembers what each step took.

    BuildKit reports a step several times, and in several intervals; a step was cached if any report says so.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._open: list[str] = []  # lines of an object that is not whole yet: buildx 0.13 indents it
        self._vertexes: dict[str, _Vertex] = {}
        self._statuses: dict[tuple[str, str], tuple[float, float]] = {}
        self._begun: set[tuple[str, str]] = set()  # statuses that have not ended
        self._shown: dict[tuple[str, str], float] = {}  # when a status was last said, in BuildKit's time
        self._said: set[str] = set()
        self._text: deque[str] = deque(maxlen=100)  # what was not JSON: buildx's own last words

    def line(self, line: str) -> None:
        """Take one line of buildx's output: of an object, or an object, or words for people."""
        if line.startswith("{"):
            self._open = []  # one that never ended was cut for its length
        elif not self._open or not line.startswith((" ", "}")):
            if line.strip():
                self._text.append(line)
                self._log(_printable(line))
            return
        self._open.append(line)
        if line == "}" or (len(self._open) == 1 and line != "{"):
            whole, self._open = "".join(self._open), []
            with contextlib.suppress(ValueError):
                self._take(json.loads(whole))

    def _take(self, report: Mapping[str, Any]) -> None:
        for vertex in report.get("vertexes") or []:
            self._take_vertex(vertex)
        for status in report.get("statuses") or []:
            self._take_status(status)
        for entry in report.get("logs") or []:
            self._take_output(entry)

    def _take_vertex(self, report: Mapping[str, Any]) -> None:
        vertex = self._vertexes.setdefault(report["digest"], _Vertex())
        vertex.name = report.get("name", vertex.name)
        vertex.cached |= bool(report.get("cached"))
        vertex.error = report.get("error") or vertex.error
        started, completed = _time(report.get("started")), _time(report.get("completed"))
        vertex.started = started if started is not None else vertex.started
        if started is not None and completed is not None:
            vertex.completed[started] = completed
        own = vertex.name.startswith(("[internal]", "[auth]"))
        if started is not None and not own:
            self._say_once(vertex.name)
        if completed is not None and vertex.unfinished:
            self._end_line(vertex, vertex.unfinished)
            vertex.unfinished = ""
        if completed is not None and (vertex.error or not own):
            how = "CACHED" if vertex.cached else f"{_merged(vertex.intervals):.1f} s"
            self._say_once(f"{vertex.name}: {vertex.error or how}")

    def _take_status(self, report: Mapping[str, Any]) -> None:
        key = report["vertex"], report["id"]
        started, completed = _time(report.get("started")), _time(report.get("completed"))
        if started is not None and completed is not None:
            self._statuses[key] = started, completed
            self._begun.discard(key)
        elif started is not None:
            self._begun.add(key)
        now = _time(report.get("timestamp"))
        if started is None or now is None or now - self._shown.get(key, started) < PROGRESS_SECONDS:
            return
        self._shown[key] = now
        size = f" {report.get('current', 0) / 1e6:.1f}" if report.get("total") else ""
        size += f" of {report['total'] / 1e6:.1f} MB" if size else ""
        vertex = self._vertexes.setdefault(report["vertex"], _Vertex())
        self._log(_printable(f"{_step_of(vertex.name)} {report['id']}{size}, {now - started:.0f} s"))

    def _take_output(self, entry: Mapping[str, Any]) -> None:
        vertex = self._vertexes.setdefault(entry["vertex"], _Vertex())
        try:
            said = base64.b64decode(entry["data"], validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            # It was redacted before it came here.
            said = "(a line that held a secret)\n"
        *lines, unfinished = (vertex.unfinished + said).split("\n")
        vertex.unfinished = unfinished[-10 * LINE_CHARACTERS :]
        for line in lines:
            self._end_line(vertex, line)

    def _end_line(self, vertex: _Vertex, line: str) -> None:
        vertex.output.append(_printable(line))
        self._log(f"{_step_of(vertex.name)} {_printable(line)}".rstrip())

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._log(_printable(line))

    def at_work(self) -> str:
        """Return what has begun and not ended."""
        return ", ".join(self._at_work()) or "nothing"

    def only_pushes(self) -> bool:
        """Return whether everything at work is on its way to a registry.

        A large image that is compressed or unpacked on the engine's disk is silent as well.
        """
        names = self._at_work()
        on_disk = any(what.startswith(("exporting layers", "unpacking to")) for _, what in self._begun)
        return (
            bool(names) and not on_disk and all(name.startswith(("exporting ", "pushing ")) for name in names)
        )

    def _at_work(self) -> list[str]:
        return [
            vertex.name
            for vertex in self._vertexes.values()
            if vertex.started is not None and vertex.started not in vertex.completed
        ]

    def failure(self) -> Failure | None:
        """Return why the build failed, by its last `ERROR:` and the part that quotes it; None without one."""
        said = next((line for line in reversed(self._text) if line.startswith("ERROR: ")), None)
        failed = [
            vertex
            for vertex in self._vertexes.values()
            # A cache that is not there yet, and whatever was cancelled since something else had failed.
            if vertex.error
            and not vertex.name.startswith("importing cache")
            and "context canceled" not in vertex.error
        ]
        if said is None and not failed:
            return None
        said = said.removeprefix("ERROR: ") if said else failed[0].error
        for vertex in failed:
            # buildx puts a registry's own words on lines of their own, after its `ERROR:`.
            first, _, rest = vertex.error.partition("\n")
            if first in said:
                said = said if not rest or rest in said else f"{said}\n{rest}"
                return Failure(vertex.name, said, list(vertex.output))
        return Failure(failed[0].name if failed else "", said, [])

    def steps(self) -> list[BuiltStep]:
        """Return the Dockerfile's steps, in the order in which they began."""
        steps = [vertex for vertex in self._vertexes.values() if _is_step(vertex.name) and vertex.completed]
        return [
            BuiltStep(vertex.name, _merged(vertex.intervals), vertex.cached)
            # Those that were cached are all found at one moment: then by their numbers.
            for vertex in sorted(steps, key=lambda step: (min(step.completed), _step_number(step.name)))
        ]

    def seconds(self) -> dict[str, float]:
        """Seconds of the stages build, export, push and cache_export, each from its merged intervals.

        They are parts of the build's whole time: `build` is that of the Dockerfile's steps.
        """
        exporting = {
            digest: vertex.intervals
            for digest, vertex in self._vertexes.items()
            if vertex.name.startswith("exporting to")
        }
        pushing = {key: span for key, span in self._statuses.items() if key[1].startswith("pushing ")}
        pushed_inside = [span for (digest, _), span in pushing.items() if digest in exporting]
        # docker's own driver pushes a second time, after the export, to find that all is there.
        pushed_after = self._intervals("pushing ")
        return {
            "build": _merged(
                [
                    span
                    for vertex in self._vertexes.values()
                    if _is_step(vertex.name)
                    for span in vertex.intervals
                ]
            ),
            "export": max(0.0, _merged(self._intervals("exporting to")) - _merged(pushed_inside)),
            "push": _merged([*pushing.values(), *pushed_after]),
            "cache_export": _merged(self._intervals("exporting cache")),
        }

    def _intervals(self, name: str) -> list[tuple[float, float]]:
        """When the parts were at work whose names begin so."""
        return [
            span
            for vertex in self._vertexes.values()
            if vertex.name.startswith(name)
            for span in vertex.intervals
        ]

    def rewrote_timestamps(self) -> bool:
        """Return True where BuildKit replaced later times of files in layers with SOURCE_DATE_EPOCH."""
        return any(name.startswith("rewriting layers with source-date-epoch") for _, name in self._statuses)

    def cache_export_error(self) -> str | None:
        """Return why the cache was not exported; None where it was."""
        errors = (v.error for v in self._vertexes.values() if v.name.startswith("exporting cache"))
        return next((_printable(error) for error in errors if error), None)

    def from_images(self) -> list[BaseImage]:
        """Return the images that were built from, where buildx reports the digest: not of named contexts."""
        names = (vertex.name for vertex in self._vertexes.values())
        found = (re.fullmatch(r"(?:\[[^\]]*\] )?FROM (\S+?)@(sha256:[0-9a-f]{64})", name) for name in names)
        return list(dict.fromkeys(BaseImage(match[1], match[2]) for match in found if match))

    def exported(self, what: str) -> str | None:
        """Return the digest of the image's `manifest` or `config`; an index may wrap the manifest."""
        names = (name for _, name in self._statuses)
        matches = (re.fullmatch(rf"exporting {what} (sha256:[0-9a-f]{{64}})", name) for name in names)
        return next((match[1] for match in matches if match), None)


def _is_step(name: str) -> bool:
    return re.match(r"\[([^\]]* )?\d+/\d+\] ", name) is not None


def _step_of(name: str) -> str:
    match = re.match(r"\[[^\]]*\]", name)
    return match[0] if match else name


def _step_number(name: str) -> int:
    match = re.match(r"\[(?:[^\]]* )?(\d+)/", name)
    return int(match[1]) if match else 0


def _printable(line: str) -> str:
    """Return a line of output for a log."""
    return shortened(last_state(line), LINE_CHARACTERS)


def _time(text: str | None) -> float | None:
    """Return a time of Go's as seconds; None where there is none."""
    return datetime.fromisoformat(text).timestamp() if text else None


def _merged(intervals: list[tuple[float, float]]) -> float:
    """Return the seconds that the intervals cover together: BuildKit's overlap."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted(intervals):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total
