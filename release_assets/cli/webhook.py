"""`release-assets webhook`: release a pushed tag at once, and serve the figures to Prometheus."""

from __future__ import annotations

import contextlib
import ipaddress
import logging

import click

from release_assets.cli.options import epilog
from release_assets.cli.runs import dagster_instance, declared_projects
from release_assets.definitions import projects_folder
from release_assets.errors import ReleaseError
from release_assets.secrets import read_secret

CONNECTIONS = 64
IDLE_SECONDS = 5


@click.command(
    epilog=epilog(
        "release-assets webhook --port 8787",
        secrets="and GITHUB_WEBHOOK_SECRET, or the variable that --secret-env names",
    )
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8787, show_default=True, help="The port to listen on.")
@click.option(
    "--dagster-url",
    default="http://127.0.0.1:3000",
    show_default=True,
    help="The address of Dagster's webserver, which launches the runs.",
)
@click.option(
    "--secret-env",
    default="GITHUB_WEBHOOK_SECRET",
    show_default=True,
    help="The environment variable that holds the webhook's secret.",
)
def webhook(host: str, port: int, dagster_url: str, secret_env: str) -> None:
    """Release a tag as soon as GitHub reports its push, and serve figures to Prometheus.

    GitHub's webhook goes to /github (events: branch or tag creation, pushes, releases; content type
    application/json), Prometheus scrapes /metrics. A tag that was pushed is looked for at once and launched
    as the project's sensor would launch it: whichever comes first, there is one run. An event that is lost
    costs the seconds until the sensor's next tick.

    Where Dagster's daemon is silent for five minutes, it sends the projects' alerts.

    It runs next to Dagster's daemon and webserver, with the same DAGSTER_HOME: one for each DAGSTER_HOME.
    Restart it when a project is added. Put a proxy with TLS before it that forwards /github only.
    """
    secret = read_secret(secret_env)
    if not secret:
        raise click.UsageError(
            f"{secret_env} is unset. Set it to the secret of the webhook on GitHub: without one, anybody "
            "could start looks."
        )
    try:
        import uvicorn

        from release_assets.alerts.watchdog import Watchdog
        from release_assets.cli.launch import location_of
        from release_assets.webhook.launch import GraphQL, ProjectLauncher
        from release_assets.webhook.metrics import FiguresCollector
        from release_assets.webhook.server import Handler, Webhook
    except ModuleNotFoundError as error:
        raise ReleaseError(
            f"{error.name} is not installed", "Install it: pip install 'release-assets[webhook]'."
        ) from None
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("release_assets.webhook").setLevel(logging.INFO)
    projects = declared_projects()
    if not projects:
        raise click.UsageError(f"There is no valid project in {projects_folder()}.")
    with dagster_instance() as instance:

        def named_location(project: str) -> tuple[str, str]:
            location = location_of(instance, project)
            return location.name, location.repository

        graphql = GraphQL(dagster_url.rstrip("/"), named_location)
        handlers: dict[str, list[Handler]] = {}
        for project in projects.values():
            launcher = ProjectLauncher(project, instance, graphql)
            if project.github is not None:
                handlers.setdefault(project.github.repository.lower(), []).append(launcher.handle)
        watchdog = Watchdog(instance, [one for one in projects.values() if one.alerts is not None])
        app = Webhook(secret, handlers, FiguresCollector(instance, sorted(projects)), watchdog).app()
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"listening on http://{shown}:{port}/github; figures on /metrics", err=True)
        if not _is_loopback(host):
            click.echo(f"{host} is reachable from other machines: /metrics has no authentication.", err=True)
        with contextlib.suppress(KeyboardInterrupt):  # how a person ends it
            uvicorn.run(
                app,
                host=host,
                port=port,
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=IDLE_SECONDS,
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
