"""The challenges in a WWW-Authenticate field (RFC 9110, 11.6.1).

No parser was fit to be a dependency in November 2026: werkzeug's reads one challenge, www-authenticate (2015)
and urllib's parse_http_list misread escapes, authchallenge reads all but has had one release, a month ago.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# What is between two commas, those in a quoted string apart.
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"({_TOKEN})(?:\s+(.*))?", re.DOTALL)
# A value without quotation marks is a token. A URL is not one, and servers write it anyway. Some separate
# parameters by blanks or semicolons.
_PARAMETER = re.compile(
    rf'[\s;]*({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s"=;][^\s";]*))', re.DOTALL
)


@dataclass(frozen=True)
class Challenge:
    """A way to authenticate. Scheme and names of parameters are in lower case; a token68 is left out."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(field: str) -> list[Challenge]:
    """Return the challenges of a field, or of several joined by commas, in their order.

    What is malformed is skipped. Of two parameters with one name the first counts.
    """
    found: list[tuple[str, dict[str, str]]] = []
    # Challenges and parameters are separated alike: an element without a scheme belongs to the one before.
    for element in map(str.strip, _ELEMENT.findall(field)):
        parameters = element
        if _PARAMETER.match(element) is None and (head := _SCHEME.fullmatch(element)):
            found.append((head[1].lower(), {}))
            parameters = head[2] or ""
        end = 0
        while found and (parameter := _PARAMETER.match(parameters, end)):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            found[-1][1].setdefault(name.lower(), value)
            end = parameter.end()
    return [Challenge(scheme, parameters) for scheme, parameters in found]
