"""Hold the base of all blocks: nothing in the YAML is ignored, and an error names the nearest key."""

from __future__ import annotations

import difflib
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError


class Declared(BaseModel):
    """A block of the YAML. Nothing in it is ignored: a misspelt key is an error and not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest_key(cls, block: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(block)
        except ValidationError as error:
            mistakes = [_with_hint(mistake, list(cls.model_fields)) for mistake in error.errors()]
        raise ValidationError.from_exception_data(cls.__name__, mistakes, hide_input=True)


def _with_hint(mistake: ErrorDetails, known: list[str]) -> InitErrorDetails:
    """Return a mistake as pydantic found it, or the nearest known key where a key is unknown."""
    loc, given, context = mistake["loc"], mistake["input"], mistake.get("ctx", {})
    if mistake["type"] in {"extra_forbidden", "invalid_key"} and len(loc) == 1:
        near = difflib.get_close_matches(str(loc[0]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        context = {"key": repr(loc[0]), "hint": hint}
    elif mistake["type"] != "unknown_key":
        return {"type": mistake["type"], "loc": loc, "input": given, "ctx": context}
    return {
        "type": PydanticCustomError("unknown_key", "unknown key {key}; {hint}", context),
        "loc": loc,
        "input": given,
    }


def without_default(schema: JsonDict) -> None:
    """Remove the default of a key that a validator sets, so that the reference lists none."""
    schema.pop("default")
