"""JSON Schemas (2020-12) of everything on the wire, made from the models; `paradero schema dump` prints them (SPEC 5.2).

A schema tells a foreign implementer the shape. Rules between members (validity limits, an answer's required records) are
in SPEC and the models: passing the schema is necessary, not sufficient.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from contracts.codec import ALWAYS_THERE
from contracts.messages import MESSAGE_TYPES
from contracts.policy import Policy
from contracts.receipts import Receipt
from contracts.register import FederationInfo, KeysetClaims, Keysets, Members, SelfSuspensionClaims, Suspensions
from contracts.types import WireModel

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PADDING: Schema = {"type": "string", "pattern": "^0*$", "description": "Zeros up to the next size bucket."}

OTHERS: Mapping[str, type[WireModel]] = MappingProxyType(
    {
        "receipt": Receipt,
        "members": Members,
        "keyset": KeysetClaims,
        "keysets": Keysets,
        "self-suspension": SelfSuspensionClaims,
        "suspensions": Suspensions,
        "federation": FederationInfo,
        "policy": Policy,
    }
)
"""What is on the wire and no message."""


def schema_id(name: str) -> str:
    """Return the `$id` of the schema called `name`."""
    return f"urn:paradero:schema:{name}:1"


def json_schemas() -> dict[str, Schema]:
    """Return every schema by name: one per message type, ``message`` for any of them, and OTHERS."""
    schemas = {name: _message_schema(name, model) for name, model in sorted(MESSAGE_TYPES.items())}
    union: Schema = {"title": "Any message", "oneOf": [{"$ref": schema_id(name)} for name in schemas]}
    schemas["message"] = {"$schema": _DIALECT, "$id": schema_id("message"), **union}
    schemas.update({name: _schema(name, model) for name, model in OTHERS.items()})
    return schemas


def _message_schema(name: str, model: type[WireModel]) -> Schema:
    schema = _schema(name, model)
    schema["properties"]["pad"] = dict(_PADDING)
    schema["required"] = sorted({*schema["required"], *ALWAYS_THERE})
    return schema


def _schema(name: str, model: type[WireModel]) -> Schema:
    return {"$schema": _DIALECT, "$id": schema_id(name), **_as_on_the_wire(model.model_json_schema(by_alias=True))}


def _as_on_the_wire(schema: Any) -> Any:
    """Drop the null alternatives and defaults of members that are left out, and the titles made from member names."""
    if isinstance(schema, list):
        return [_as_on_the_wire(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "properties" in schema:
        schema = {**schema, "properties": {name: _property(value) for name, value in schema["properties"].items()}}
    if "patternProperties" in schema:
        schema = {**schema, "additionalProperties": False}
    return {name: _as_on_the_wire(value) for name, value in schema.items()}


def _property(schema: Schema) -> Schema:
    kept = {name: value for name, value in schema.items() if name not in {"title", "default", "anyOf"}}
    some = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(some) == 1:
        return {**some[0], **kept}
    return {**kept, "anyOf": some} if some else kept
