"""Whether a value is as a JSON schema says, for the words that ours uses."""

import json
from pathlib import Path

SCHEMA = json.loads((Path(__file__).parents[1] / "cli" / "schema.json").read_text("utf-8"))
TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    "integer": int, "number": (int, float),
}  # fmt: skip
ABOUT = {"description", "$schema", "title", "$defs"}
HERE = {"$ref", "type", "enum", "const", "minimum", "anyOf", "oneOf", "items", "properties"}
CLOSED = {"additionalProperties", "unevaluatedProperties"}


def faults(value, schema, path="$"):
    """Yield what is wrong with a value, and where."""
    assert schema.keys() <= ABOUT | HERE | CLOSED | {"required"}, schema.keys()
    target = _target(schema)
    if target:
        yield from faults(value, target, path)
    kinds = schema.get("type", list(TYPES))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not any(_is(value, kind) for kind in kinds):
        yield f"{path} is {type(value).__name__}, not {kinds}"
        return
    if ("const" in schema and value != schema["const"]) or value not in schema.get("enum", [value]):
        yield f"{path} is {value!r}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path} is {value}"
    for words, least, most in (("anyOf", 1, 99), ("oneOf", 1, 1)):
        choices = [list(faults(value, one, path)) for one in schema.get(words, [])]
        if choices and not least <= sum(not found for found in choices) <= most:
            yield f"{path}: {choices}"
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from faults(one, schema.get("items", {}), f"{path}[{number}]")
    if isinstance(value, dict):
        yield from _faults_of_object(value, schema, path)


def _faults_of_object(value, schema, path):
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path} has no {name}"
    properties = schema.get("properties", {})
    known = properties | (_target(schema) or {}).get("properties", {})
    for name, one in value.items():
        if name in properties:
            yield from faults(one, properties[name], f"{path}.{name}")
        elif name not in known and any(schema.get(word) is False for word in CLOSED):
            yield f"{path} has {name}"


def _target(schema):
    return SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else None


def _is(value, kind):
    if kind in {"integer", "number"} and isinstance(value, bool):
        return False
    return isinstance(value, TYPES[kind])
