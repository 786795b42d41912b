"""deploy/kubernetes/: manifests by the API's schemas, and the job that K8sRunLauncher sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import kmock
import kubernetes_validate
import pytest
import requests
import yaml

from release_assets_tests.paths import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
VERSION = "1.34"
SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / "builders.yaml").read_text()))


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / "values.yaml").read_text())
    return found


@pytest.mark.parametrize("manifest", manifests(), ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_a_manifest_is_valid_for_the_api(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, VERSION, strict=True)


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_buildkit_is_rootless_and_only_by_mtls(arch: str) -> None:
    stateful = next(
        one for one in manifests() if one["kind"] == "StatefulSet" and one["metadata"]["name"].endswith(arch)
    )
    pod = stateful["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].endswith("-rootless")
    assert container["securityContext"]["runAsNonRoot"]
    assert not container["securityContext"].get("privileged")
    assert pod["nodeSelector"]["kubernetes.io/arch"] == arch
    assert pod["automountServiceAccountToken"] is False
    assert {"--tlscacert", "--tlscert", "--tlskey"} <= {arg.partition("=")[0] for arg in container["args"]}


def test_dockerfile_steps_reach_no_metadata_server() -> None:
    policy = next(one for one in manifests() if one["kind"] == "NetworkPolicy")
    blocks = [to["ipBlock"] for rule in policy["spec"]["egress"] for to in rule.get("to", [])]
    assert all("169.254.0.0/16" in block["except"] for block in blocks)
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_certificates_are_for_servers_and_clients(tmp_path: Path) -> None:
    subprocess.run([KUBERNETES / "certificates", tmp_path / "c"], check=True, timeout=60)
    for name, purpose in (
        ("client", "sslclient"),
        ("buildkit-amd64", "sslserver"),
        ("buildkit-arm64", "sslserver"),
    ):
        subprocess.run(
            ["/usr/bin/openssl", "verify", "-CAfile", "ca.crt", "-purpose", purpose, f"{name}.crt"],
            cwd=tmp_path / "c", check=True, capture_output=True, timeout=10,
        )  # fmt: skip
        assert (tmp_path / "c" / f"{name}.key").stat().st_mode & 0o077 == 0


def snake(value: Any) -> Any:
    """The keys of the chart as those of dagster.yaml, one level, as the chart's template writes them."""
    return {SNAKE.sub("_", key).lower(): content for key, content in value.items()}


def launcher_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """K8sRunLauncher's part of the dagster.yaml that the chart renders."""
    declared = values["runLauncher"]["config"]["k8sRunLauncher"]
    config = snake(declared)
    config["run_k8s_config"] = snake(declared["runK8sConfig"])
    return {**config, "instance_config_map": "dagster-instance", "service_account_name": "dagster"}


@contextlib.contextmanager
def cluster() -> Iterator[str]:
    """Yield the address of a cluster's API: kmock keeps what is created there."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    stop, address = asyncio.Event(), []

    async def serve() -> None:
        async with kmock.Server(kmock.KubernetesEmulator()) as server:
            address.append(str(server.url))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def idle() -> None:
    """Run one op."""
    nothing()


@pytest.fixture(scope="module")
def job(values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The job that K8sRunLauncher creates for a run, as the cluster keeps it."""
    home = tmp_path_factory.mktemp("home")
    config = launcher_config(values)
    config |= {
        "load_incluster_config": False,
        "kubeconfig_file": str(home / "kubeconfig"),
        "job_image": "x:1",
    }
    launcher = {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": config}
    (home / "dagster.yaml").write_text(
        json.dumps({"run_launcher": launcher, "telemetry": {"enabled": False}})
    )
    with cluster() as address, pytest.MonkeyPatch.context() as patch:
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        named = {
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "u", "user": {}}],
        }
        (home / "kubeconfig").write_text(
            json.dumps({"kind": "Config", "contexts": [context], "current-context": "c", **named})
        )
        patch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            origin = dg.reconstructable(idle).get_python_origin()
            run = instance.create_run_for_job(idle, job_code_origin=origin)
            instance.launch_run(run.run_id, workspace=None)  # type: ignore[arg-type]  # the launcher needs none
        path = f"{address.rstrip('/')}/apis/batch/v1/namespaces/default/jobs"
        (found,) = requests.get(path, timeout=10).json()["items"]
        yield found


def test_the_pod_of_a_run_is_the_unit(job: dict[str, Any]) -> None:
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["ttlSecondsAfterFinished"] == 3600
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_no_autoscaler_evicts_a_run(job: dict[str, Any]) -> None:
    annotations = job["spec"]["template"]["metadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert annotations["karpenter.sh/do-not-disrupt"] == "true"


def test_a_runs_pod_names_the_builders_and_has_no_rights(job: dict[str, Any]) -> None:
    pod = job["spec"]["template"]["spec"]
    (container,), (builders,) = pod["containers"], pod["initContainers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert (pod["hostUsers"], container["securityContext"]["procMount"]) == (False, "Unmasked")
    script = builders["args"][0]
    assert "--driver remote" in script
    assert "servername=buildkit-$arch" in script
    assert "execute_run" in " ".join(container["args"])


def test_the_job_is_valid_for_the_api(job: dict[str, Any]) -> None:
    sent = {name: value for name, value in job.items() if name != "status"}
    sent["metadata"] = {name: sent["metadata"][name] for name in ("name", "labels")}
    kubernetes_validate.validate({"apiVersion": "batch/v1", "kind": "Job", **sent}, VERSION)


def test_a_run_waits_longer_than_a_node_takes(values: dict[str, Any]) -> None:
    monitoring = values["dagsterDaemon"]["runMonitoring"]
    assert monitoring["enabled"] is True
    assert monitoring["startTimeoutSeconds"] >= 600
    assert values["dagsterDaemon"]["runRetries"]["retryOnAssetOrOpFailure"] is False


def test_secrets_are_files_and_never_variables(values: dict[str, Any]) -> None:
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert not {"envSecrets"} & deployment.keys()
    mounts = {mount["name"]: mount["mountPath"] for mount in deployment["volumeMounts"]}
    variables = {one["name"]: one["value"] for one in deployment["env"]}
    assert mounts["secrets"] == variables["RELEASE_ASSETS_SECRETS"]
    assert variables["RELEASE_ASSETS_STORE"].startswith("s3://")
    volumes = {
        "containers": [{"name": "c", "volumeMounts": deployment["volumeMounts"], "env": deployment["env"]}]
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "code"}}
    kubernetes_validate.validate(
        {**pod, "spec": {**volumes, "volumes": deployment["volumes"]}}, VERSION, strict=True
    )
