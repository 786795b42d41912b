"""Compare a published archive with one that was built again: which members differ, and in what.

The published file is hostile: what is read of it is bounded.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO

from release_assets.distributions.archives import UNREADABLE, opened_sdist, refuse_bomb, unreadable
from release_assets.distributions.store import sha256_of
from release_assets.text import one_line

TEXT_LIMIT = 100_000  # bytes of a member whose lines are compared
TEXTS_LIMIT = 64_000_000  # bytes of all such members
SHOWN = 10  # members of one kind of difference that are named
LINE_LIMIT = 160  # characters of a line that is shown


class Likeness(StrEnum):
    """The closeness of a rebuilt archive to the published one."""

    IDENTICAL = "the same bytes"
    PACKED_ANOTHER_WAY = "the same files, packed another way"
    BACKEND = "the same files but for the version of the build backend"
    DIFFERENT = "other contents"


@dataclass(frozen=True)
class Member:
    """A file, folder or link in an archive. `owner` is "" and `packed` a number of zip's where it has one."""

    kind: str
    mode: int
    time: str
    owner: str
    packed: int
    sha256: str
    text: str | None  # of a small text


@dataclass(frozen=True)
class Difference:
    """The difference between a published archive and a rebuilt one, one line for each."""

    likeness: Likeness
    lines: tuple[str, ...] = ()


def archive_difference(published: Path, rebuilt: Path) -> Difference:
    """Return how two sdists, two wheels or two layers differ. Raises PermanentError where one is damaged."""
    if sha256_of(published) == sha256_of(rebuilt):
        return Difference(Likeness.IDENTICAL)
    theirs, ours = members(published), members(rebuilt)
    return difference(theirs, ours) or Difference(
        Likeness.PACKED_ANOTHER_WAY,
        (f"compression: every member is the same; {_container(published)}, rebuilt {_container(rebuilt)}",),
    )


def difference(theirs: Mapping[str, Member], ours: Mapping[str, Member]) -> Difference | None:
    """Return the difference between the members of two archives, None where there is none. Pure."""
    lines: list[str] = []
    lines += _listed("only in the published file", [name for name in theirs if name not in ours])
    lines += _listed("only in the rebuilt file", [name for name in ours if name not in theirs])
    both = [name for name in theirs if name in ours]
    differing = {
        name
        for name in both
        if (theirs[name].kind, theirs[name].sha256) != (ours[name].kind, ours[name].sha256)
    }
    explained = {name for name in differing if _is_backend(name, theirs[name], ours[name])}
    explained |= {name for name in differing if _is_record(name, theirs[name], ours[name], explained)}
    is_different = bool(lines) or differing != explained
    for name in sorted(differing)[:SHOWN]:
        lines.append(f"contents of {one_line(name)}: {_first_difference(theirs[name], ours[name])}")
    if len(differing) > SHOWN:
        lines.append(f"contents of {len(differing) - SHOWN} more members")
    for what, shown in (("time", _time), ("mode", _mode), ("owner", _owner), ("packed", _packing)):
        changed = [name for name in both if shown(theirs[name]) != shown(ours[name])]
        if changed:
            first = changed[0]
            lines.append(
                f"{WORDS[what]} of {len(changed)} members, such as {one_line(first)}: "
                f"{shown(theirs[first])}, rebuilt {shown(ours[first])}"
            )
    order = [name for name in ours if name in theirs]
    if order != both:
        at = next(number for number, (a, b) in enumerate(zip(both, order, strict=True)) if a != b)
        lines.append(
            f"order of members: {one_line(both[at])} at place {at + 1}, rebuilt {one_line(order[at])}"
        )
    if not lines:
        return None
    if is_different:
        return Difference(Likeness.DIFFERENT, tuple(lines))
    return Difference(Likeness.BACKEND if explained else Likeness.PACKED_ANOTHER_WAY, tuple(lines))


WORDS = {"time": "times", "mode": "modes", "owner": "owners", "packed": "compression"}


def _time(member: Member) -> str:
    return member.time


def _mode(member: Member) -> str:
    return f"{member.mode:04o}"


def _owner(member: Member) -> str:
    return member.owner


def _packing(member: Member) -> str:
    return {0: "stored", 8: "deflated", 12: "bzip2", 14: "lzma"}.get(member.packed, str(member.packed))


def _listed(words: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        yield f"{words}: {', '.join(one_line(name) for name in names[:SHOWN])}{more}"


def _is_backend(name: str, theirs: Member, ours: Member) -> bool:
    """Return True for a wheel's WHEEL file that differs only in the name of what built it."""
    if not name.endswith(".dist-info/WHEEL") or theirs.text is None or ours.text is None:
        return False
    return _without_generator(theirs.text) == _without_generator(ours.text)


def _without_generator(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.lower().startswith("generator:")]


def _is_record(name: str, theirs: Member, ours: Member, explained: set[str]) -> bool:
    """Return True for a wheel's RECORD that differs only in the lines of members that are explained."""
    if not name.endswith(".dist-info/RECORD") or theirs.text is None or ours.text is None:
        return False

    def rest(text: str) -> list[str]:
        return sorted(line for line in text.splitlines() if line.rsplit(",", 2)[0] not in explained)

    return bool(explained) and rest(theirs.text) == rest(ours.text)


def _first_difference(theirs: Member, ours: Member) -> str:
    if theirs.kind != ours.kind:
        return f"{theirs.kind}, rebuilt {ours.kind}"
    if theirs.text is None or ours.text is None:
        return f"sha256 {theirs.sha256}, rebuilt {ours.sha256}"
    before, after = theirs.text.splitlines(), ours.text.splitlines()
    for number in range(max(len(before), len(after))):
        there, here = (lines[number] if number < len(lines) else None for lines in (before, after))
        if there != here:
            return f"line {number + 1} is {_shown(there)}, rebuilt {_shown(here)}"
    return "line endings"


def _shown(line: str | None) -> str:
    return "not there" if line is None else repr(one_line(line)[:LINE_LIMIT])


def members(file: Path) -> dict[str, Member]:
    """Return the members of an archive by name, in their order. Raises PermanentError for a damaged one."""
    found: dict[str, Member] = {}
    texts = 0
    try:
        for name, member in _of_wheel(file) if file.suffix == ".whl" else _of_tar(file):
            numbered, number = name, 1
            while numbered in found:  # an archive may hold a name twice
                number += 1
                numbered = f"{name} ({number})"
            texts += len(member.text or "")
            found[numbered] = member if texts <= TEXTS_LIMIT else replace(member, text=None)
    except (*UNREADABLE, KeyError) as error:
        raise unreadable(file, error) from error
    return found


def _of_wheel(file: Path) -> Iterator[tuple[str, Member]]:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        refuse_bomb(file, sum(entry.file_size for entry in entries), len(entries))
        for entry in entries:
            with archive.open(entry) as stream:
                sha256, text = _read(stream)
            year, month, day, hour, minute, second = entry.date_time
            yield (
                entry.filename,
                Member(
                    "folder" if entry.is_dir() else "file",
                    stat.S_IMODE(entry.external_attr >> 16),
                    f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}",
                    "",
                    entry.compress_type,
                    sha256,
                    text,
                ),
            )


def _of_tar(file: Path) -> Iterator[tuple[str, Member]]:
    total = 0
    with opened_sdist(file) as archive:
        for number, member in enumerate(archive):
            total += member.size
            refuse_bomb(file, total, number + 1)
            if member.isfile():
                stream = archive.extractfile(member)
                assert stream is not None  # noqa: S101  (it is a file)
                with stream:
                    sha256, text = _read(stream)
            else:
                sha256, text = hashlib.sha256(member.linkname.encode(errors="replace")).hexdigest(), None
            kind = (
                "file" if member.isfile() else "folder" if member.isdir() else "link" if member.issym() else
                "hard link" if member.islnk() else "device"
            )  # fmt: skip
            yield (
                member.name,
                Member(
                    kind,
                    stat.S_IMODE(member.mode),
                    _instant(member.mtime),
                    f"{member.uid}:{member.gid} {one_line(member.uname)}:{one_line(member.gname)}",
                    0,
                    sha256,
                    text,
                ),
            )


def _instant(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s since 1970"


def _read(stream: IO[bytes]) -> tuple[str, str | None]:
    """Return the sha256 of a member, and its text where it is a short one."""
    digest, start = hashlib.sha256(), b""
    while piece := stream.read(1024 * 1024):
        digest.update(piece)
        if len(start) <= TEXT_LIMIT:
            start += piece
    try:
        text = start.decode() if len(start) <= TEXT_LIMIT and b"\0" not in start else None
    except UnicodeDecodeError:
        text = None
    return digest.hexdigest(), text


def _container(file: Path) -> str:
    """Return a gzip file's size and the time in its header; the size of other archives."""
    with file.open("rb") as stream:
        head = stream.read(10)
    size = f"{file.stat().st_size} bytes"
    if head[:2] != b"\x1f\x8b":
        return size
    return f"{size} with the gzip time {_instant(int.from_bytes(head[4:8], 'little'))}"
