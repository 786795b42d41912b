"""Find a secret in the forms in which it can show itself."""

from __future__ import annotations

import base64
from urllib.parse import quote


def forms_of(secret: str) -> set[str]:
    """The secret raw, percent-encoded, and in base64 wherever it starts in the encoded text."""
    shifted = (base64.b64encode(b"x" * shift + secret.encode()).decode() for shift in range(3))
    return {secret, quote(secret, safe=""), *(text[4:-4] for text in shifted)}
