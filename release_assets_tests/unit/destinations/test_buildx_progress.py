"""The progress of recorded builds is told in lines, steps and seconds."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from release_assets.destinations.buildx import Failure, Progress, cache_hit_rate
from release_assets_tests.unit.destinations.buildx_records import RECORDED, read


def test_a_first_build_is_told_in_lines_that_can_be_read() -> None:
    said: list[str] = []
    read("cold", said.append)
    assert [line for line in said if line.startswith("[build ")] == [
        "[build 1/4] FROM 127.0.0.1:5077/base:1@sha256:"
        "87f64d8fc13a07baecaa2024c304760858e88a46b81defe2cefeb7c88a21f545",
        *[line for line in said if line.startswith("[build 1/4] FROM ") and line.endswith(" s")],
        "[build 2/4] WORKDIR /src",
        *[line for line in said if line.startswith("[build 2/4] WORKDIR /src: ")],
        "[build 3/4] COPY hello.txt .",
        *[line for line in said if line.startswith("[build 3/4] COPY hello.txt .: ")],
        *[line for line in said if line.startswith("[build 4/4] RUN ") and not line.endswith(" s")],
        # Put together from two pieces, a progress bar's last state, and without its color.
        "[build 4/4] compiling",
        "[build 4/4] 100%",
        "[build 4/4] red",
        *[line for line in said if line.startswith("[build 4/4] RUN ") and line.endswith(" s")],
    ]
    assert not any("[internal]" in line or "[auth]" in line for line in said)
    assert any(line.startswith("importing cache manifest") and line.endswith("not found") for line in said)


def test_the_steps_of_a_first_build() -> None:
    progress = read("cold")
    steps = progress.steps()
    assert [step.name.split("]")[0].strip("[") for step in steps] == [
        "build 1/4",
        "build 2/4",
        "build 3/4",
        "build 4/4",
        "stage-1 2/3",
        "stage-1 3/3",
    ]
    assert 1.0 < next(step.seconds for step in steps if "RUN busybox sh" in step.name) < 2.0
    assert cache_hit_rate(progress.steps()) == 0.0
    assert progress.failure() is None
    assert progress.at_work() == "nothing"


def test_the_stages_of_a_build_are_timed_apart() -> None:
    seconds = read("cold").seconds()
    assert set(seconds) == {"build", "export", "push", "cache_export"}
    assert 1.0 < seconds["build"] < 3.0
    assert all(0.0 < spent < 1.0 for stage, spent in seconds.items() if stage != "build")


def test_a_push_that_docker_repeats_after_the_export_counts_as_push() -> None:
    seconds = read("cached").seconds()
    # 0.13 s inside the export and 0.07 s after it; neither is taken off the export twice.
    assert 0.15 < seconds["push"] < 0.25
    assert 0.03 < seconds["export"] < 0.1


def test_all_that_could_hit_did_and_from_does_not_count() -> None:
    said: list[str] = []
    progress = read("cached", said.append)
    assert cache_hit_rate(progress.steps()) == 1.0
    assert [step.cached for step in progress.steps() if " FROM " in step.name] == [False]
    assert "[build 3/4] COPY hello.txt .: CACHED" in said


def test_steps_that_were_found_at_one_moment_are_in_the_dockerfiles_order() -> None:
    names = [step.name for step in read("cached").steps() if step.name.startswith("[build")]
    assert [name[:11] for name in names] == ["[build 1/4]", "[build 2/4]", "[build 3/4]", "[build 4/4]"]


def test_the_digests_of_image_and_config_are_those_in_its_index() -> None:
    progress = read("cached")
    assert (
        progress.exported("manifest")
        == "sha256:0f101336f18efa0db40cece615ce6463581b9102a5ca34516f419b78e7d92438"
    )
    assert (
        progress.exported("config")
        == "sha256:8d323e7f01a30446ef5c0598a37571f05eb248a55b86b9a9cdaf4239b69c71cf"
    )


def test_a_build_without_steps_has_no_hit_rate() -> None:
    progress = read("base_unreachable")
    assert (progress.steps(), cache_hit_rate(progress.steps()), progress.exported("manifest")) == (
        [],
        None,
        None,
    )


@pytest.mark.parametrize("name", ["cached", "failed_run", "push_refused", "no_qemu"])
def test_json_over_many_lines_says_the_same(name: str) -> None:
    compact: list[str] = []
    indented: list[str] = []
    one, other = read(name, compact.append), read(name, indented.append, indented=True)
    assert (compact, one.steps(), one.failure()) == (indented, other.steps(), other.failure())


def test_a_line_that_was_cut_does_not_hide_those_after_it() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.line('{"logs":[{"vertex":"x","data":"' + "A" * 1000)
    progress.line("{")
    progress.line('  "vertexes": [')
    for line in (RECORDED / "failed_run.jsonl").read_text().splitlines():
        progress.line(line)
    failure = progress.failure()
    assert failure is not None
    assert failure.said.endswith("exit code: 3")


def vertex(started: str, completed: str | None = None, **others: Any) -> str:
    """A report about one RUN."""
    times = {"started": f"2026-01-01T00:00:{started}Z"}
    if completed:
        times["completed"] = f"2026-01-01T00:00:{completed}Z"
    return json.dumps({"vertexes": [{"digest": "sha256:1", "name": "[2/2] RUN x", **times, **others}]})


def output(text: str) -> str:
    """A report about what that RUN printed."""
    data = base64.b64encode(text.encode()).decode()
    return json.dumps({"logs": [{"vertex": "sha256:1", "stream": 1, "data": data}]})


def test_the_intervals_of_one_step_are_merged_and_cached_is_kept() -> None:
    progress = Progress(lambda _: None)
    progress.line(vertex("10.0", "12.0", cached=True))
    progress.line(vertex("11.0", "13.0"))
    progress.line(vertex("20.0"))
    assert progress.at_work() == "[2/2] RUN x"
    progress.line(vertex("20.0", "20.5"))
    step = progress.steps()[0]
    assert step.seconds == pytest.approx(3.5)
    assert step.cached


def test_the_last_line_is_told_even_without_a_line_break() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    for line in (vertex("10"), output("no\nnew"), output("line"), vertex("10", "11", error="exit code: 1")):
        progress.line(line)
    assert said == ["[2/2] RUN x", "[2/2] no", "[2/2] newline", "[2/2] RUN x: exit code: 1"]
    assert progress.failure() == Failure("[2/2] RUN x", "exit code: 1", ["no", "newline"])


def test_output_that_was_redacted_while_encoded_says_so() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.line(vertex("10"))
    progress.line('{"logs": [{"vertex": "sha256:1", "data": "YWJj***ZGVm"}]}')
    assert said[-1] == "[2/2] (a line that held a secret)"


def test_control_characters_of_a_build_do_not_reach_the_terminal() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.line(vertex("10"))
    progress.line(output("\x1b]0;title\x07\x1b[2J\x9b31mtext\n"))
    progress.line("\x1b[31mERROR: text")
    assert all(character.isprintable() for line in said for character in line)


def test_an_image_that_is_unpacked_is_no_push_that_stands_still() -> None:
    progress = Progress(lambda _: None)

    def says(what: str, *, ended: bool) -> None:
        status = {"id": what, "vertex": "sha256:1", "started": "2026-01-01T00:00:10Z"}
        status |= {"completed": "2026-01-01T00:00:11Z"} if ended else {}
        progress.line(json.dumps({"statuses": [status]}))

    progress.line(vertex("10", name="exporting to image"))
    for local in ("exporting layers", "unpacking to localhost:5000/owner/name:1.2.3-amd64"):
        says(local, ended=False)
        assert not progress.only_pushes()
        says(local, ended=True)
    says("pushing layers", ended=False)
    assert progress.only_pushes()


def test_a_layer_on_its_way_is_told_every_few_seconds() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    for tenth in range(300):
        status = {
            "id": "pushing layer 0123456789ab",
            "vertex": "sha256:2",
            "current": tenth * 1_000_000,
            "total": 300_000_000,
            "started": "2026-01-01T00:00:00Z",
            "timestamp": f"2026-01-01T00:00:{tenth / 10:04.1f}Z",
        }
        progress.line(json.dumps({"statuses": [status]}))
    assert [line.strip() for line in said] == [
        f"pushing layer 0123456789ab {seconds * 10}.0 of 300.0 MB, {seconds} s"
        for seconds in (5, 10, 15, 20, 25)
    ]
