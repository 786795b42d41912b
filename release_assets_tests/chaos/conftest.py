"""The scripted server stands behind the proxy in its own tests."""

from __future__ import annotations

from release_assets_tests.destinations.conftest import server

__all__ = ["server"]
