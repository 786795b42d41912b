"""A stranger's repository is data: nothing of it runs or takes long, and no traceback is shown."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from release_assets.cli import commands
from release_assets.init.draft import Seen, draft
from release_assets.init.package import Package
from release_assets.init.publishing import read_publishing
from release_assets.init.remote import Remote
from release_assets.init.workflow import WorkflowError, read_workflow
from release_assets_tests.unit.init.conftest import REPOSITORIES, Clone
from tools.sandbox.git_remote import git

SECONDS = 10.0

BOMB = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 9))])
MERGES = "\n".join(
    ["m0: &m0 {k: v}", *(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 9))]
)
ENV = "\n".join(f"  E{n}: {f'${{{{ env.E{n - 1} }}}}' * 40}" for n in range(1, 200))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{BOMB}\njobs: {{a: {{steps: *a8}}}}\n", "it holds more than 20000 values"),
        (f"{MERGES}\njobs: {{a: *m8}}\n", "it holds more than 20000 values"),
        ("jobs: &j\n  a: *j\n", "its values are nested too deeply"),
        ("jobs: " + "[" * 60_000, "its values are nested too deeply"),
        ("jobs: {a: {steps: " + "[" * 400 + "]" * 400 + "}}", None),
        ("jobs: [\n", "it is not YAML (line 2)"),
        ("jobs: {a: 1}\n\0", "it is not YAML"),
        ("- jobs\n", "it has no jobs"),
        ("", "it has no jobs"),
        ("jobs: {2024-99-99: {steps: [2024-99-99, {uses: 2024-99-99}]}}", None),
        (f"jobs: {{a: {{steps: [{{run: {'9' * 6000}}}]}}}}", None),
        ("? [a, b]\n: c\njobs: {}\n", None),
        ("jobs: {a: {steps: {uses: x}, strategy: [], env: 3, if: [1]}, b: text, c: null}\non: [[]]\n", None),
        (f"env:\n  E0: {'x' * 900}\n{ENV}\njobs: {{a: {{steps: [{{run: '${{{{ env.E199 }}}}'}}]}}}}\n", None),
        (
            "jobs: {a: {strategy: {matrix: {"
            + ", ".join(f"k{n}: [a, b, c, d, e, f, g, h]" for n in range(30))
            + "}}, steps: [{run: '${{ matrix.k1 }}'}]}}",
            None,
        ),
    ],
)
def test_a_workflow_is_bounded(text: str, words: str | None) -> None:
    started = time.monotonic()
    with contextlib.nullcontext() if words is None else pytest.raises(WorkflowError, match=re.escape(words)):
        read_publishing(read_workflow("w.yml", text, {}))
    assert time.monotonic() - started < SECONDS


SAMPLES = sorted(REPOSITORIES.glob("*/.github/workflows/*"))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_workflow_with_anything_in_it_is_read_or_refused(file: Path, data: st.DataObject) -> None:
    text = file.read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(at, min(len(text), at + 40)))
        text = (
            text[:at]
            + data.draw(st.text(max_size=8) | st.sampled_from(["*a", "&a", "${{", "|", "\n"]))
            + text[end:]
        )
    package = Package(".", "sample", True, None, None, "pyproject.toml")
    try:
        published = read_publishing(read_workflow(file.name, text, {}))
    except WorkflowError:
        return
    draft(Seen(package, True, Remote("https://h/r.git", "o/r"), (), [published] if published else []))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"jobs: \xff\xfe"),
        lambda path: path.write_text("# " + "x" * 300_000),
        lambda path: path.symlink_to("/etc/passwd"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: os.mkfifo(path),
        lambda path: path.mkdir(),
    ],
    ids=["no-text", "too-long", "link-outside", "link-in-a-circle", "device", "pipe", "directory"],
)
def test_a_file_that_is_not_one_is_named_and_not_read(
    clone: Clone, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = clone("setup-py")
    folder = path / ".github" / "workflows"
    folder.mkdir(parents=True)
    spoil(folder / "release.yml")
    spoil(path / "pyproject.toml")
    result = run(path, tmp_path)
    assert result.count(".github/workflows/release.yml") == 1
    assert "root:" not in result


def run(path: Path, tmp_path: Path) -> str:
    """Return the output of the command, which ends by itself, without a traceback."""
    started = time.monotonic()
    result = CliRunner().invoke(commands, ["init", str(path), "--yes", "--output", str(tmp_path / "out")])
    assert time.monotonic() - started < SECONDS
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return result.output


@pytest.mark.parametrize(
    "toml",
    [
        "x = " + "[" * 50_000,
        f"x = {'9' * 6000}",
        "tool.hatch = 'x'\nbuild-system.requires = 3\n[project]\nname = 7\nversion = []\nclassifiers = 3",
        "[project]\nname = 'a\\u001b[31m'\nversion = '1'",
        "project = 'text'\ntool = 3\n",
        "[project]\nname = '../../etc'\n",
        "\0",
    ],
)
def test_a_pyproject_with_anything_in_it_is_refused(clone: Clone, tmp_path: Path, toml: str) -> None:
    path = clone("setup-py")
    (path / "setup.py").unlink()
    (path / "pyproject.toml").write_text(toml)
    said = run(path, tmp_path)
    assert "no package was found" in said
    assert "\x1b" not in said


def test_names_in_a_workflow_drive_no_terminal_and_no_template(clone: Clone, tmp_path: Path) -> None:
    path = clone("setup-py")
    folder = path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "release.yml").write_text(
        'on: {push: {tags: ["v*"]}}\n'
        "jobs:\n"
        '  "a\\e]0;owned\\a":\n'
        "    steps:\n"
        '      - name: "up\\e[2J\\nload # attributes: {}"\n'
        '        uses: "docker/build-push-action@v6"\n'
        "        with:\n"
        "          push: true\n"
        '          tags: "{{ env.PYPI_TOKEN }}/x:1,docker.io/me/elder:1"\n'
        '          platforms: "linux/amd64,linux/\\e[1marm64"\n'
        '          build-args: "A={{ env.HOME }}\\nB=plain\\nC=\\e[1m"\n'
        '      - uses: "nobody/\\e[31mred\\nattributes: 1"\n'
    )
    said = run(path, tmp_path)
    assert "\x1b" not in said
    assert "\a" not in said
    text = (tmp_path / "out" / "defs.yaml").read_text()
    assert "{{" not in text
    assert text.isascii()
    image = yaml.safe_load(text)["attributes"]["image"]
    assert image["repository"] == "docker.io/me/elder"
    assert image["build_args"] == {"B": "plain"}
    assert image["platforms"] == ["linux/amd64"]


def test_nothing_that_a_clone_configures_is_run(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git ls-remote` reads the configuration of the clone that it is started in, and runs what it names."""
    ran = tmp_path / "ran"
    path = clone("setup-py", remote="git://127.0.0.1:9/Loomworks/{name}.git")
    (tmp_path / "home" / ".gitconfig").unlink()
    program = path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    for key in ("core.gitProxy", "core.sshCommand", "core.fsmonitor", "core.pager"):
        git("config", key, program, directory=path)
    monkeypatch.chdir(path)
    assert "Which repository on GitHub gets the releases" in run(Path(), tmp_path)
    assert not ran.exists()
