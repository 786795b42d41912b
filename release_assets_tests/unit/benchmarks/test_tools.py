"""Tool seconds: which stages are the tools', and which steps are in one chain."""

from __future__ import annotations

import pytest

from benchmarks.tools import StepSpan, longest_chain, tool_seconds


def test_looks_and_waits_are_not_the_tools() -> None:
    stages = {"observe": 1.0, "preflight": 2.0, "upload": 3.0, "wait_for_index": 4.0}
    assert tool_seconds("pypi_publication", stages) == 3.0


def test_what_is_inside_of_buildx_is_not_counted_twice() -> None:
    stages = {"buildx": 10.0, "build": 6.0, "export": 3.0, "push": 2.0, "cache_export": 1.0, "starts": 1.5}
    assert tool_seconds("image_linux_arm64", stages) == 11.5


def test_a_stage_is_a_tool_in_its_own_node_only() -> None:
    """`check` is twine in the sdist, and a look of ours in the manifest list."""
    assert tool_seconds("sdist", {"check": 1.0}) == 1.0
    assert tool_seconds("manifest_list", {"check": 1.0}) == 0.0


def test_a_step_of_another_kind_has_no_tools() -> None:
    assert tool_seconds("preflight", {"observe": 1.0}) == 0.0


def test_steps_in_a_row_are_one_chain() -> None:
    assert longest_chain([StepSpan(0, 2, 1.0), StepSpan(2, 5, 2.5), StepSpan(6, 7, 0.5)]) == 4.0


def test_of_images_built_at_the_same_time_the_slower_counts() -> None:
    version, manifest_list = StepSpan(0, 1, 0.5), StepSpan(13, 14, 0.25)
    amd64, arm64 = StepSpan(1, 9, 7.0), StepSpan(1.5, 12, 10.0)
    assert longest_chain([manifest_list, arm64, amd64, version]) == 10.75


def test_a_chain_may_skip_a_step_that_overlaps_two() -> None:
    assert longest_chain([StepSpan(0, 4, 4.0), StepSpan(3, 6, 3.5), StepSpan(5, 9, 4.0)]) == 8.0


def test_no_steps_have_no_tools() -> None:
    assert longest_chain([]) == pytest.approx(0.0)
