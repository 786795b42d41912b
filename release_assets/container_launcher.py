"""The run launcher of deploy/compose: each run in a container of its own, where its builds can be isolated.

dagster-docker starts the container. This launcher adds what configuration cannot say: the mounts and groups
of the daemon, so that a secret is listed once, and the unmasked /proc that bubblewrap needs. It removes the
containers of runs that ended.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import LaunchRunContext
from dagster_docker import DockerRunLauncher
from dagster_docker.container_context import DockerContainerContext

RUN_LABEL = "dagster/run_id"
KEPT = "1h"  # how long an ended container can be looked at
# Namespaces inside of a container: seccomp's default forbids them, and AppArmor's forbids to mount in them.
NAMESPACES = ("seccomp=unconfined", "apparmor=unconfined", "no-new-privileges")


class IsolatingDockerRunLauncher(DockerRunLauncher):
    """Launches each run in a container with the daemon's mounts and groups, in which bubblewrap works."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's container, and remove those of runs that ended before."""
        super().launch_run(context)
        client = self._get_client(self.get_container_context(context.dagster_run))
        client.containers.prune(filters={"label": RUN_LABEL, "until": KEPT})

    def get_container_context(self, dagster_run: DagsterRun) -> DockerContainerContext:
        """Return what the container is created with: as configured, and what it has of this container."""
        ours = {
            "volumes_from": [socket.gethostname()],  # a container's id, unless it is given another name
            "group_add": os.getgroups(),  # of the engine's socket
            "security_opt": list(NAMESPACES),
            "cap_drop": ["ALL"],
            "healthcheck": {"test": ["NONE"]},  # the image's asks a code server
            "init": True,
        }
        configured = super().get_container_context(dagster_run)
        return configured._replace(container_kwargs={**ours, **configured.container_kwargs})

    def _get_client(self, container_context: DockerContainerContext) -> Any:
        """Return a client whose containers have no masked paths in /proc.

        The kernel forbids to mount a /proc in a namespace where the one that is there hides something.
        `docker run` has `--security-opt systempaths=unconfined` for that, docker-py not (docker-py#3377).
        """
        client = super()._get_client(container_context)
        create = client.api.create_container

        def create_unmasked(*arguments: Any, host_config: dict[str, Any], **options: Any) -> Any:
            host_config |= {"MaskedPaths": [], "ReadonlyPaths": []}
            return create(*arguments, host_config=host_config, **options)

        client.api.create_container = create_unmasked
        return client
