"""The values that a Python module assigns to its names, as far as they are told without running it. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

LONGEST = 1000  # characters or items of a value; a hostile module doubles one with every line
Value = str | int | tuple["Value", ...]


def version_text(value: Value | None) -> str | None:
    """Return a version as text, None for other values; setuptools joins a tuple's parts by dots, too."""
    if isinstance(value, tuple) and len(value) > 1 and not any(isinstance(part, tuple) for part in value):
        return ".".join(map(str, value))
    return value if isinstance(value, str) else None


def static_values(module: ast.Module) -> dict[str, Value]:
    """Return the values of a module's names after its last line, without those that are not told by its text.

    What stands below an `if` or `try` depends on the machine, and is not looked at.
    """
    values: dict[str, Value] = {}
    for statement in module.body:
        match statement:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    _assign(target, static_value(value, values), values)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _assign(target, static_value(value, values), values)
            case ast.AugAssign(target=ast.Name(id=name) as target, op=op, value=value):
                _assign(target, static_value(ast.BinOp(ast.Name(name), op, value), values), values)
            case ast.ImportFrom(names=aliases):
                for alias in aliases:
                    values.pop(alias.asname or alias.name, None)
    return values


def _assign(target: ast.expr, value: Value | None, values: dict[str, Value]) -> None:
    match target:
        case ast.Name(id=name):
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            is_known = isinstance(value, tuple) and len(value) == len(parts)
            each = value if isinstance(value, tuple) and is_known else (None,) * len(parts)
            for part, its in zip(parts, each, strict=True):
                _assign(part, its, values)


def static_value(node: ast.expr, values: Mapping[str, Value]) -> Value | None:
    """Return the value of an expression, given those of names; None where it is not told by its text.

    Text, whole numbers and tuples are, and the ways in which modules join the parts of a version.
    """
    found: Value | None = None
    match node:
        case ast.Constant(value=str() | int() as constant) if not isinstance(constant, bool):
            found = constant
        case ast.Name(id=name):
            found = values.get(name)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            found = _all([static_value(part, values) for part in parts])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            match static_value(left, values), static_value(right, values):
                case (str() as first, str() as second):
                    found = first + second
                case (tuple() as first, tuple() as second):
                    found = first + second
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            found = _formatted(static_value(left, values), static_value(right, values))
        case ast.JoinedStr(values=parts):
            pieces = _all([static_value(part, values) for part in parts])
            found = None if pieces is None else "".join(map(str, pieces))
        case ast.FormattedValue(value=inner, conversion=-1, format_spec=None):
            found = static_value(inner, values)
        case ast.Subscript(value=inner, slice=ast.Slice(lower=lower, upper=upper, step=None)):
            whole = static_value(inner, values)
            start, stop = (static_value(bound, values) if bound else None for bound in (lower, upper))
            if isinstance(whole, tuple) and isinstance(start, int | None) and isinstance(stop, int | None):
                found = whole[start:stop]
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(dot)), attr="join"), args=[items]):
            each = _items(items, values)
            found = None if each is None else dot.join(map(str, each))
    if isinstance(found, str | tuple) and len(found) > LONGEST:
        return None
    return found


def _items(node: ast.expr, values: Mapping[str, Value]) -> tuple[Value, ...] | None:
    """Return what is joined: the items of a tuple, which `str` may be applied to in either way."""
    match node:
        case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id="str"), inner]):
            node = inner
        case (
            ast.GeneratorExp(
                elt=ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=each)]),
                generators=[ast.comprehension(target=ast.Name(id=name), iter=inner, ifs=[])],
            )
            | ast.ListComp(
                elt=ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=each)]),
                generators=[ast.comprehension(target=ast.Name(id=name), iter=inner, ifs=[])],
            )
        ) if each == name:
            node = inner
    found = static_value(node, values)
    return found if isinstance(found, tuple) else None


def _formatted(text: Value | None, value: Value | None) -> str | None:
    """Return `text % value` where it has nothing but %s and %d: a width could take all memory."""
    if not isinstance(text, str) or value is None or re.search(r"%(?![sd])", text):
        return None
    try:
        return text % value
    except (TypeError, ValueError):
        return None


def _all(parts: list[Value | None]) -> tuple[Value, ...] | None:
    known = tuple(part for part in parts if part is not None)
    return known if len(known) == len(parts) else None
