"""The other side of the benchmark: plain_release.sh, and a bare `docker buildx build --push`."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sample import Sample
from release_assets.process import environment, run

SCRIPT = Path(__file__).with_name("plain_release.sh")
SCRIPT_SECONDS = 1200.0


@dataclass(frozen=True)
class Plain:
    """What the script needs besides the tag: addresses and secrets, by the names that it reads."""

    variables: dict[str, str]
    image: str

    def release(self, sample: Sample, tag: str) -> float:
        """Push the tag, release it with the script, and return the seconds that took."""
        began = time.monotonic()
        sample.push(tag)
        self._run(["bash", SCRIPT], sample, tag)
        return time.monotonic() - began

    def build(self, sample: Sample, tag: str) -> float:
        """Build and push the images of a release again with buildx alone; return the seconds that took."""
        text = SCRIPT.read_text()
        # The script's own last part, so that the two cannot differ: checkout, the published files, buildx.
        clone = next(line for line in text.splitlines() if " clone --quiet" in line)
        download = (
            'python -m pip download --quiet --no-deps --dest ../dist --index-url "$SIMPLE_URL" '
            f'{sample.name}=="$version"'
        )
        head = text[: text.index("git -c")]
        login = text[text.index("registry=${IMAGE") :]
        before = f"{head}{clone}\ncd source\n{download}\n"
        with tempfile.TemporaryDirectory(prefix="plain-") as folder:
            prepared = Path(folder, "prepared.sh")
            prepared.write_text(before)
            build = Path(folder, "build.sh")
            build.write_text(f"{head}cd source\n{login}")
            self._run_in(Path(folder), ["bash", prepared], sample, tag)
            began = time.monotonic()
            self._run_in(Path(folder), ["bash", build], sample, tag)
            return time.monotonic() - began

    def _run(self, command: list[str | Path], sample: Sample, tag: str) -> None:
        with tempfile.TemporaryDirectory(prefix="plain-") as folder:
            self._run_in(Path(folder), command, sample, tag)

    def _run_in(self, folder: Path, command: list[str | Path], sample: Sample, tag: str) -> None:
        env = environment(
            **self.variables,
            TAG=tag,
            REPOSITORY=f"file://{sample.remote}",
            IMAGE=self.image,
            DOCKER_CONFIG=str(folder / "docker"),
            COLUMNS="200",
        )
        run(command, env=env, timeout=SCRIPT_SECONDS, directory=folder)
