"""Child processes: bounded in time and output, gone with all they started, and shown no secret."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from release_assets import process
from release_assets.process import (
    LINE_LIMIT,
    OUTPUT_LIMIT,
    TAIL_LINES,
    CommandFailedError,
    CommandTimedOutError,
    Limits,
    environment,
    run,
    started_child,
)

SECRET = "pypi-AgEIcHlwaS5vcmc/c2Vj+cmV0=="

# A program that lives for a minute and leaves a mark twenty times a second for as long as it does.
BEAT = """
import pathlib, time
for _ in range(1200):
    with pathlib.Path("beats").open("a") as beats:
        beats.write("x")
    time.sleep(0.05)
"""
START_A_BEAT = f"""
import pathlib, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {BEAT!r}])
while not pathlib.Path("beats").exists():
    time.sleep(0.01)
"""


def python(
    program: str, *, timeout: float = 20, directory: Path | None = None, silence: float | None = None
) -> str:
    """Run a Python program to its end."""
    return run(
        [sys.executable, "-c", program],
        env=environment(),
        timeout=timeout,
        directory=directory,
        silence=silence,
    )


def is_beating(directory: Path) -> bool:
    before = (directory / "beats").stat().st_size
    time.sleep(0.3)
    return (directory / "beats").stat().st_size > before


# What a child prints


def test_standard_output_is_returned_and_both_streams_followed() -> None:
    lines: list[str] = []
    output = run(
        ["sh", "-c", "echo one; echo two >&2; printf three"],
        env=environment(),
        timeout=20,
        on_line=lines.append,
    )
    assert output == "one\nthree"
    assert sorted(lines) == ["one", "three", "two"]


def test_lines_come_while_the_child_is_running() -> None:
    came: list[float] = []
    started = time.monotonic()
    run(
        ["sh", "-c", "echo first; sleep 0.6; echo last"],
        env=environment(),
        timeout=20,
        on_line=lambda _: came.append(time.monotonic() - started),
    )
    assert came[1] - came[0] > 0.5


def test_output_that_is_not_utf_8_is_still_text() -> None:
    assert run(["printf", r"caf\351\n"], env=environment(), timeout=20) == "caf\ufffd\n"


def test_a_long_line_arrives_whole() -> None:
    output = python("print('x' * 3_000_000)")
    assert len(output) == 3_000_001
    assert output.count("\n") == 1


def test_output_without_end_is_cut_off_and_said() -> None:
    with pytest.raises(CommandFailedError) as caught:
        python("while True: print('x' * 1_000_000)")
    assert caught.value.reason == f"wrote more than {OUTPUT_LIMIT} bytes"


def test_standard_input_is_empty() -> None:
    assert run(["cat"], env=environment(), timeout=20) == ""


# How a child ends


def test_a_failure_shows_the_status_and_the_end_of_the_output() -> None:
    with pytest.raises(CommandFailedError) as caught:
        run(["sh", "-c", "seq 100; echo why >&2; exit 3"], env=environment(), timeout=20)
    error = caught.value
    assert (error.program, error.reason, error.returncode) == ("sh", "failed with exit status 3", 3)
    assert len(error.tail) == TAIL_LINES
    assert "why" in error.tail
    assert "100" in error.tail
    assert str(error).startswith("sh failed with exit status 3\n")


def test_a_child_that_is_killed_shows_the_signal() -> None:
    with pytest.raises(CommandFailedError, match=f"^sh was ended by signal {int(signal.SIGKILL)}"):
        run(["sh", "-c", "kill -9 $$"], env=environment(), timeout=20)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandFailedError, match=r"^no-such-program was not found: "):
        run(["no-such-program", "--version"], env=environment(), timeout=20)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"was not found: .*missing does not exist"):
        run(["true"], env=environment(), timeout=20, directory=tmp_path / "missing")


def test_a_file_that_is_no_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("text")
    with pytest.raises(CommandFailedError, match=r"^notes could not be started: "):
        run([tmp_path / "notes"], env=environment(), timeout=20)


def test_a_child_that_takes_too_long_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(CommandTimedOutError) as caught:
        run(["sh", "-c", "echo begun; sleep 60"], env=environment(), timeout=1)
    assert caught.value.reason == "was ended after 1 s, its time limit"
    assert caught.value.tail == ["begun"]
    assert time.monotonic() - started < 4


def test_a_child_that_never_stops_talking_is_ended() -> None:
    with pytest.raises(CommandTimedOutError, match="was ended after 1 s, its time limit"):
        run(["sh", "-c", "while :; do echo more; sleep 0.05; done"], env=environment(), timeout=1)


def test_a_child_that_never_ends_its_line_is_ended() -> None:
    """A progress bar: output ten times a second, and never a line feed."""
    with pytest.raises(CommandTimedOutError, match="was ended after 1 s, its time limit"):
        run(["sh", "-c", "for n in $(seq 80); do printf .; sleep 0.1; done"], env=environment(), timeout=1)


def test_a_child_that_closes_its_output_is_ended_all_the_same() -> None:
    started = time.monotonic()
    with pytest.raises(CommandTimedOutError, match="was ended after 1 s, its time limit"):
        run(["sh", "-c", "exec >&- 2>&-; sleep 60"], env=environment(), timeout=1)
    assert time.monotonic() - started < 5


def test_a_silent_child_is_ended_before_its_time() -> None:
    with pytest.raises(CommandTimedOutError) as caught:
        run(["sh", "-c", "echo begun; sleep 60"], env=environment(), timeout=60, silence=1)
    assert caught.value.reason == "timed out: no output for 1 s"


def test_a_child_that_talks_now_and_then_is_not_silent() -> None:
    program = "for n in 1 2 3; do sleep 0.7; echo $n; done"
    assert run(["sh", "-c", program], env=environment(), timeout=60, silence=1.5) == "1\n2\n3\n"


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + BEAT
    started = time.monotonic()
    with pytest.raises(CommandTimedOutError):
        python(stubborn, timeout=1, directory=tmp_path)
    assert time.monotonic() - started < 4
    assert not is_beating(tmp_path)


def test_a_child_may_tidy_up_when_it_is_ended(tmp_path: Path) -> None:
    tidy = "import signal, pathlib, sys, time\ndef end(*_): pathlib.Path('tidy').touch(); sys.exit()\n"
    with pytest.raises(CommandTimedOutError):
        python(tidy + "signal.signal(signal.SIGTERM, end)\ntime.sleep(60)", timeout=1, directory=tmp_path)
    assert (tmp_path / "tidy").exists()


def test_what_a_child_started_goes_with_it_when_its_time_is_over(tmp_path: Path) -> None:
    with pytest.raises(CommandTimedOutError):
        python(START_A_BEAT + "time.sleep(60)", timeout=1.5, directory=tmp_path)
    assert not is_beating(tmp_path)


def test_a_childs_own_children_end_with_it_without_a_wait(tmp_path: Path) -> None:
    started = time.monotonic()
    assert python(START_A_BEAT + "print('done')", directory=tmp_path) == "done\n"
    assert time.monotonic() - started < 5
    assert not is_beating(tmp_path)


def test_what_a_child_leaves_behind_cannot_talk_on() -> None:
    started = time.monotonic()
    program = "(for n in $(seq 600); do echo more; sleep 0.1; done) & echo done"
    assert "done\n" in run(["sh", "-c", program], env=environment(), timeout=20)
    assert time.monotonic() - started < 5


def test_what_a_child_started_goes_with_it_when_the_caller_fails(tmp_path: Path) -> None:
    def interrupted(line: str) -> None:
        raise KeyboardInterrupt(line)

    with pytest.raises(KeyboardInterrupt):
        run(
            [sys.executable, "-u", "-c", START_A_BEAT + "print('begun')\ntime.sleep(60)"],
            env=environment(),
            timeout=20,
            directory=tmp_path,
            on_line=interrupted,
        )
    assert not is_beating(tmp_path)


def test_a_child_that_runs_beside_us_ends_with_its_block(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", BEAT]
    with started_child(
        argv,
        env=environment(),
        directory=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ):
        while not (tmp_path / "beats").exists():
            time.sleep(0.01)
        assert is_beating(tmp_path)
    assert not is_beating(tmp_path)


# What a child sees


def test_a_child_sees_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_TOKEN", "AWS_SECRET_ACCESS_KEY", "DOCKER_AUTH_CONFIG"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    env = environment(NEEDED="value")
    seen = json.loads(
        run(
            [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
            env=env,
            timeout=20,
        )
    )
    assert SECRET not in seen.values()
    assert seen["NEEDED"] == "value"
    assert seen["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert set(env) <= set(seen) <= {*env, "LC_CTYPE"}  # Python's own, where there is no locale


def test_the_programs_of_our_environment_are_found_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert environment()["PATH"].split(os.pathsep) == [str(Path(sys.executable).parent), "/usr/bin", "/bin"]
    assert "/bin" in environment(PATH="/bin")["PATH"]


def test_what_is_needed_by_name_wins() -> None:
    assert environment(HOME="/nowhere")["HOME"] == "/nowhere"


def test_a_secret_that_a_child_prints_is_seen_nowhere() -> None:
    lines: list[str] = []
    header = base64.b64encode(f"__token__:{SECRET}".encode()).decode()
    with pytest.raises(CommandFailedError) as caught:
        run(
            ["sh", "-c", 'echo "$TOKEN"; echo "$HEADER" >&2; exit 1'],
            env=environment(TOKEN=SECRET, HEADER=f"Authorization: Basic {header}"),
            timeout=20,
            secrets=[SECRET],
            on_line=lines.append,
        )
    for said in (str(caught.value), *caught.value.tail, *lines):
        assert SECRET not in said
        assert header[16:40] not in said
    assert "***" in lines


def test_a_very_long_line_does_not_show_half_a_secret() -> None:
    lines: list[str] = []
    secret = "s3cr3t-" * 8
    run(
        [sys.executable, "-c", f"print('x' * ({LINE_LIMIT} - 20) + {secret!r})"],
        env=environment(),
        timeout=20,
        secrets=[secret],
        on_line=lines.append,
    )
    assert "s3cr3t" not in "".join(lines)


def test_a_child_that_fills_the_memory_or_the_disk_is_ended(tmp_path: Path) -> None:
    limits = Limits(memory=200 * 1024 * 1024, file=1024 * 1024)
    fills = {
        "memory": "x = bytearray(400 * 1024 * 1024)",
        "disk": f"open({str(tmp_path / 'file')!r}, 'wb').write(b'x' * 2 * 1024 * 1024)",
    }
    for code in fills.values():
        with pytest.raises(CommandFailedError, match="failed with exit status 1"):
            run([sys.executable, "-c", code], env=environment(), timeout=20, limits=limits)
    assert (tmp_path / "file").stat().st_size == limits.file
