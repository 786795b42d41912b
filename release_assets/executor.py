"""The executor of runs whose steps work at the same time: a process a step, with a log and a retry each."""

from __future__ import annotations

import sys

import dagster as dg

AT_ONCE = 8  # steps of a run; more platforms than that wait for one another

# A child that is forked from the run's worker has loaded everything: it is at work after 0.1 s. A fork server
# would import Dagster first (2 s and more when the machine is busy), `spawn` would do so for every step.
# Forking is safe here: the worker's other threads only wait, for a signal to stop and for a queue to write.
# macOS's own libraries do not survive a fork.
START_METHOD = (
    {"fork": {}} if sys.platform == "linux" else {"forkserver": {"preload_modules": ["release_assets.graph"]}}
)


@dg.executor(
    name="parallel",
    config_schema=dg.multiprocess_executor.config_schema.as_field(),
    requirements=[dg.ExecutorRequirement.RECONSTRUCTABLE_JOB, dg.ExecutorRequirement.NON_EPHEMERAL_INSTANCE],
)
def parallel_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's multiprocess executor with a start method that its configuration does not offer."""
    config = {
        **context.executor_config,
        "max_concurrent": context.executor_config.get("max_concurrent") or AT_ONCE,
        "start_method": START_METHOD,
    }
    create = dg.multiprocess_executor.executor_creation_fn
    assert create is not None  # noqa: S101  (only executors that cannot run here have none)
    return create(context._replace(executor_config=config))
