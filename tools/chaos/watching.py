"""Watch floating tags and the arguments of processes while releases are killed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from release_assets.errors import ReleaseError
from release_assets_tests.secret_forms import forms_of
from tools.chaos.judge import incomplete
from tools.chaos.kills import Lane


@dataclass
class Watched:
    """The looks, and the faults that they found."""

    looks: int = 0
    wrong: list[str] = field(default_factory=list)


@contextmanager
def watching(lanes: list[Lane], secrets: Iterable[str]) -> Iterator[Watched]:
    """Inside the block floating tags are looked at, and every process's arguments, again and again."""
    watched = Watched()
    stop = threading.Event()
    forms = {form.encode() for secret in secrets for form in forms_of(secret)}

    def tags() -> None:
        while not stop.wait(0.5):
            for lane, tag in ((each, tag) for each in lanes for tag in each.floating_tags()):
                try:
                    manifest = lane.maintainer.registry.manifest(tag)
                    wrong = incomplete(lane.maintainer, manifest) if manifest else []
                except ReleaseError as error:
                    wrong = [f"lost: it cannot be read: {error.problem}"]
                watched.looks += 1
                watched.wrong += [f"{lane.name} {tag}: {word}" for word in wrong]

    def arguments() -> None:
        while not stop.wait(0.2):
            for process in psutil.process_iter():
                try:
                    text = "\0".join(process.cmdline()).encode(errors="replace")
                except psutil.Error:
                    continue
                if any(form in text for form in forms):
                    watched.wrong.append(f"leaked: the arguments of {process.name()} hold a secret")

    threads = [threading.Thread(target=tags), threading.Thread(target=arguments)]
    for thread in threads:
        thread.start()
    try:
        yield watched
    finally:
        stop.set()
        for thread in threads:
            thread.join()
