"""A claim on runs that the webhook is about to launch: the sensor of the same runs leaves them to it.

Dagster looks for runs with the same run key and then creates its own, not at once: between the two, another
one may be launched. So each side writes down what it launches before it looks at what the other one wrote:
the sensor its record, the webhook a claim. Where both see the other, both leave it, and the sensor's next
tick finds either the webhook's run or no claim.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable

import dagster as dg

# Longer than a launch takes, which is bounded by `webhook.launch.GRAPHQL_SECONDS`.
CLAIM_SECONDS = 60.0
CLAIMED = "the webhook launches these runs; the next tick looks for them"


def claim(instance: dg.DagsterInstance, sensor: str, run_keys: Collection[str]) -> None:
    """Claim runs of a sensor for a minute. A claim replaces the one before."""
    text = json.dumps({"at": time.time(), "run_keys": sorted(run_keys)})
    instance.daemon_cursor_storage.set_cursor_values({_key(sensor): text})


def withdraw(instance: dg.DagsterInstance, sensor: str) -> None:
    """End the claim: the runs are created, or left to the sensor."""
    claim(instance, sensor, ())


def is_claimed(instance: dg.DagsterInstance, sensor: str, run_keys: Iterable[str | None]) -> bool:
    """Return whether the webhook is launching one of these runs. Call it after the record is written."""
    wanted = set(run_keys)
    if not wanted:
        return False
    key = _key(sensor)
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    if text is None:
        return False
    found = json.loads(text)
    is_fresh = time.time() - float(found["at"]) < CLAIM_SECONDS
    return is_fresh and not wanted.isdisjoint(found["run_keys"])


def _key(sensor: str) -> str:
    return f"release_assets/{sensor}/claim"
