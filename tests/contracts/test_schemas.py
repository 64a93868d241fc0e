"""The published JSON Schemas say what the models accept, and nothing looser than they can help."""

import json
import re
from typing import Any

import pytest

from contracts.codec import encode_message, encode_model
from contracts.messages import MESSAGE_TYPES
from contracts.schemas import OTHERS, json_schemas, schema_id
from contracts.vectors import examples, golden

SCHEMAS = json_schemas()
EXAMPLES = examples.messages()

KNOWN = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "type", "properties", "required", "additionalProperties",
    "items", "minItems", "maxItems", "uniqueItems", "const", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "anyOf", "oneOf", "discriminator", "patternProperties", "propertyNames", "default", "maxProperties",
}  # fmt: skip


def fits(value: Any, schema: Any, root: Any) -> bool:
    """A validator of the part of JSON Schema that we publish (objects are closed, so unknown members do not fit)."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for name in ("anyOf", "oneOf"):
        if name in schema and not any(fits(value, option, root) for option in schema[name]):
            return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    return {"object": object_fits, "array": array_fits}.get(schema.get("type", ""), scalar_fits)(value, schema, root)


def object_fits(value: Any, schema: Any, root: Any) -> bool:
    properties = schema.get("properties", {})
    if not isinstance(value, dict) or not set(schema.get("required", [])) <= set(value):
        return False
    for name, item in value.items():
        inner = properties.get(name) or next(
            (inner for pattern, inner in schema.get("patternProperties", {}).items() if re.search(pattern, name)), None
        )
        if inner is None or not fits(item, inner, root):
            return False
    return True


def array_fits(value: Any, schema: Any, root: Any) -> bool:
    if not isinstance(value, list) or not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9):
        return False
    return all(fits(item, schema["items"], root) for item in value)


def scalar_fits(value: Any, schema: Any, _root: Any) -> bool:
    kind = schema.get("type")
    if kind == "string":
        size = isinstance(value, str) and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
        return size and bool(re.search(schema.get("pattern", ""), value))
    if kind == "integer":
        return type(value) is int and schema.get("minimum", value) <= value <= schema.get("maximum", value)
    return type(value) is bool if kind == "boolean" else kind is None


def claims(name: str) -> dict[str, Any]:
    return json.loads(encode_message(EXAMPLES[name]))


def test_one_schema_per_type_with_a_stable_id() -> None:
    assert set(SCHEMAS) == set(MESSAGE_TYPES) | set(OTHERS) | {"message"}
    for name, schema in SCHEMAS.items():
        assert schema["$id"] == f"urn:paradero:schema:{name}:1" == schema_id(name)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {option["$ref"] for option in SCHEMAS["message"]["oneOf"]} == {schema_id(name) for name in MESSAGE_TYPES}


@pytest.mark.parametrize("name", sorted(MESSAGE_TYPES))
def test_examples_fit_their_schema_and_no_other(name: str) -> None:
    value = claims(name)
    assert fits(value, SCHEMAS[name], SCHEMAS[name])
    assert fits(value | {"pad": "000"}, SCHEMAS[name], SCHEMAS[name])
    for other in MESSAGE_TYPES:
        assert fits(value, SCHEMAS[other], SCHEMAS[other]) == (other == name)
    for change in (
        {"x": 1},
        {"v": 2},
        {"pad": "1"},
        {"re": None},
        {"iat": "1"},
        {"sender": "gt.minex"},
        {"body": {"x": 1}},
        {"case": "c:"},
    ):
        assert not fits(value | change, SCHEMAS[name], SCHEMAS[name]), change
    for member in ("v", "type", "iss", "use", "body"):
        assert not fits({key: item for key, item in value.items() if key != member}, SCHEMAS[name], SCHEMAS[name])


def test_receipts_fit() -> None:
    for receipt in golden.receipts().values():
        assert fits(json.loads(encode_model(receipt)), SCHEMAS["receipt"], SCHEMAS["receipt"])


def test_every_object_is_closed_and_every_text_and_list_bounded() -> None:
    for name, schema in SCHEMAS.items():
        for part in parts(schema):
            if part.get("type") == "object":
                assert part["additionalProperties"] is False, (name, part)
            if part.get("type") == "array":
                assert "maxItems" in part, (name, part)
            if part.get("type") == "string":
                assert {"pattern", "enum", "const"} & set(part), (name, part)
            if part.get("type") == "integer":
                assert {"maximum", "const"} & set(part), (name, part)
            assert part.get("type") != "null", name


def parts(schema: Any) -> Any:
    if isinstance(schema, list):
        for item in schema:
            yield from parts(item)
    elif isinstance(schema, dict):
        yield schema
        for name, item in schema.items():
            if name == "properties":
                for inner in item.values():
                    yield from parts(inner)
            elif name not in {"discriminator", "required", "enum"}:
                yield from parts(item)
