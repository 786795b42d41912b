"""The checks that the audit looks at again: a node reports them when it has verified what it published."""

from __future__ import annotations

from release_assets.nodes.release_check import Declared, Found

DRIFT = Declared("drift", "It is there as it was recorded. The audit looks at it again.", blocks=False)
AS_RECORDED = Found("ok", "it is there as recorded")
BASE_IMAGE = Declared(
    "base_image", "Its base images are what their tags point to now. The audit looks at them.", blocks=False
)
FRESH = Found("ok", "it was built from the base images that are there")
