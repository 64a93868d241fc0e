"""The published JSON Schemas (2020-12), read as files, and a validator of the keywords they use."""

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "contracts" / "vectors" / "schemas"
SCHEMAS: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
SAID = {"$schema", "$id", "$defs", "title", "description", "default", "discriminator"}
KEYWORDS = SAID | {
    "$ref", "type", "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "items", "minItems",
    "maxItems", "uniqueItems", "const", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "anyOf", "oneOf",
    "minProperties", "maxProperties",
}  # fmt: skip
KINDS = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def valid(value: Any, name: str) -> bool:
    """Whether `value` fits the published schema called `name`."""
    return name in SCHEMAS and _fits(value, SCHEMAS[name], SCHEMAS[name])


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _fits(value: Any, schema: Any, root: Any) -> bool:
    if isinstance(schema, bool):
        return schema
    if unknown := set(schema) - KEYWORDS:
        raise AssertionError(f"a keyword this validator does not know: {unknown}")
    if "$ref" in schema:
        return _referred(value, schema["$ref"], root)
    if "type" in schema and (
        not isinstance(value, KINDS[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean")
    ):
        return False
    if "const" in schema and not _same(value, schema["const"]):
        return False
    if "enum" in schema and not any(_same(value, item) for item in schema["enum"]):
        return False
    if "anyOf" in schema and not any(_fits(value, item, root) for item in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(_fits(value, item, root) for item in schema["oneOf"]) != 1:
        return False
    return _text(value, schema) and _number(value, schema) and _list(value, schema, root) and _object(value, schema, root)


def _referred(value: Any, reference: str, root: Any) -> bool:
    if reference.startswith("urn:"):
        return valid(value, reference.removeprefix("urn:paradero:schema:").rpartition(":")[0])
    return _fits(value, root["$defs"][reference.removeprefix("#/$defs/")], root)


def _text(value: Any, schema: Any) -> bool:
    if not isinstance(value, str):
        return True
    # ECMA's $ is the end of the text; Python's is also the newline before it.
    pattern = re.sub(r"\$(?=\)|$)", r"\\Z", schema.get("pattern", ""))
    return schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9) and re.search(pattern, value) is not None


def _number(value: Any, schema: Any) -> bool:
    return not isinstance(value, int) or schema.get("minimum", value) <= value <= schema.get("maximum", value)


def _list(value: Any, schema: Any, root: Any) -> bool:
    if not isinstance(value, list):
        return True
    if schema.get("uniqueItems") and len({json.dumps(item, sort_keys=True) for item in value}) != len(value):
        return False
    sized = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
    return sized and all(_fits(item, schema.get("items", True), root) for item in value)


def _object(value: Any, schema: Any, root: Any) -> bool:
    if not isinstance(value, dict):
        return True
    if not set(schema.get("required", ())) <= set(value):
        return False
    sized = schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", 10**9)
    return sized and all(_member(name, item, schema, root) for name, item in value.items())


def _member(name: str, item: Any, schema: Any, root: Any) -> bool:
    if not _fits(name, schema.get("propertyNames", True), root):
        return False
    inner = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    inner += [part for pattern, part in schema.get("patternProperties", {}).items() if re.search(pattern, name)]
    return all(_fits(item, part, root) for part in inner or [schema.get("additionalProperties", True)])
