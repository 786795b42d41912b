"""docker buildx: builds one platform's image and pushes it, and tells what its steps took."""

from release_assets.destinations.buildx.engine import (
    INSTALL_QEMU,
    Engine,
    check_platform,
    choose_engine,
    docker_argv,
    inspected_platforms,
    is_emulated,
    native_platforms,
    observe_engine,
    parsed_version,
    runs_platform,
)
from release_assets.destinations.buildx.error_origin import Failure, rate_limit_wait
from release_assets.destinations.buildx.failures import build_failure
from release_assets.destinations.buildx.image_build import (
    BuildResult,
    build,
    cache_warning,
)
from release_assets.destinations.buildx.login import (
    docker_environment,
    plugin_folders,
)
from release_assets.destinations.buildx.progress import BuiltStep, Log, Progress, cache_hit_rate
from release_assets.destinations.buildx.request import (
    BuildRequest,
    build_arguments,
    check_request,
    local_cache_folder,
)
from release_assets.destinations.buildx.trial import trial_arguments, try_build

__all__ = [
    "INSTALL_QEMU",
    "BuildRequest",
    "BuildResult",
    "BuiltStep",
    "Engine",
    "Failure",
    "Log",
    "Progress",
    "build",
    "build_arguments",
    "build_failure",
    "cache_hit_rate",
    "cache_warning",
    "check_platform",
    "check_request",
    "choose_engine",
    "docker_argv",
    "docker_environment",
    "inspected_platforms",
    "is_emulated",
    "local_cache_folder",
    "native_platforms",
    "observe_engine",
    "parsed_version",
    "plugin_folders",
    "rate_limit_wait",
    "runs_platform",
    "trial_arguments",
    "try_build",
]
