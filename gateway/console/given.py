"""What a request's body gives, member by member: parsed, or refused in words that never repeat a value."""

from asyncio import IncompleteReadError
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from aiohttp import web

from contracts.codec import b64u_encode, parse_object
from contracts.consents import RelativeId
from contracts.disclosure import SourceRecord
from contracts.errors import ExchangeError
from contracts.ids import ActorPseudonym, Code, MessageId, NodeId
from gateway.people.errors import InvalidError, UnknownError
from gateway.web import Watch
from keys.pseudonyms import Pseudonyms

LIMIT = 512 * 1024
MOST = 50
"""Of a list."""
_T = TypeVar("_T")
_Word = TypeVar("_Word", bound=StrEnum)


async def read_body(
    request: web.Request, watch: Watch, needed: frozenset[str], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return the members of a JSON body: all that are needed and none that is unknown; those that are null are left out.

    Raises:
        InvalidError: it is something else. Says which members there are, never what was in them.
    """
    must, may = ", ".join(sorted(needed)) or "nada", ", ".join(sorted(optional)) or "nada más"
    advice = f"Lleva, en JSON: {must}; puede llevar: {may}."
    try:
        await request.content.readexactly(LIMIT + 1)
        raise InvalidError("La petición es demasiado larga.", advice=advice)
    except IncompleteReadError as whole:
        data = whole.partial
    watch.body_read(request)
    try:
        value = parse_object(data or b"{}", limit=LIMIT)
    except ExchangeError:
        raise InvalidError("La petición no es un objeto JSON.", advice=advice) from None
    given = {name: member for name, member in value.items() if member is not None}
    if not needed <= set(given) or not set(value) <= needed | optional:
        raise InvalidError("A la petición le falta o le sobra algo.", advice=advice)
    return given


def message_id(request: web.Request) -> MessageId:
    """Return the id in a route's path.

    Raises:
        UnknownError: what stands there is none.
    """
    try:
        return MessageId(request.match_info["message_id"])
    except ValueError:
        raise UnknownError("No hay nada con ese identificador.", advice="Cópielo entero: `paradero inbox list`.") from None


def text(body: Mapping[str, Any], name: str, *, longest: int = 80) -> str:
    """Return a short text."""
    value = body[name]
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise InvalidError(f"{name} es un texto de hasta {longest} caracteres.")
    return value


def code(body: Mapping[str, Any], name: str) -> Code:
    """Return a word of a catalogue."""
    try:
        return Code(text(body, name))
    except ValueError:
        raise InvalidError(f"{name} es un código: minúsculas, cifras y guiones.") from None


def maybe_code(body: Mapping[str, Any], name: str) -> Code | None:
    """Return a word of a catalogue, or None where it was left out."""
    return code(body, name) if name in body else None


def codes(body: Mapping[str, Any], name: str) -> tuple[Code, ...]:
    """Return words of a catalogue, each once."""
    return tuple(dict.fromkeys(each(body, name, Code)))


def node_id(body: Mapping[str, Any], name: str) -> NodeId:
    """Return a node's name."""
    try:
        return NodeId(text(body, name))
    except ValueError:
        raise InvalidError(f"{name} es el nombre de un nodo.", advice="Por ejemplo gt.minex.") from None


def one(body: Mapping[str, Any], name: str, kind: Callable[[str], _T]) -> _T:
    """Return what `kind` makes of a short text; its ValueError is a refusal."""
    try:
        return kind(text(body, name, longest=200))
    except ValueError:
        raise InvalidError(f"{name} no es lo que debe ser.", advice="`--help` dice qué valores hay.") from None


def each(body: Mapping[str, Any], name: str, kind: Callable[[str], _T]) -> list[_T]:
    """Return what `kind` makes of each of a list of short texts, of which there is one at least."""
    values = body[name]
    if not isinstance(values, list) or not 0 < len(values) <= MOST:
        raise InvalidError(f"{name} es una lista.")
    return [one({name: value}, name, kind) for value in values]


def yes(body: Mapping[str, Any], name: str) -> bool:
    """Return whether a member is there and true; anything else is no."""
    return body.get(name, False) is True


def word(body: Mapping[str, Any], name: str, words: type[_Word]) -> _Word:
    """Return one of a closed list of words."""
    try:
        return words(body[name])
    except ValueError:
        raise InvalidError(f"{name} es otra cosa.", advice=f"Una de: {', '.join(sorted(words))}.") from None


def relative(said: str, digest: Callable[[str, bytes], bytes]) -> RelativeId:
    """Return a keyed digest of how the office calls a relative; what it gave before is taken as it is."""
    if RelativeId.pattern.fullmatch(said):
        return RelativeId(said)
    plain = " ".join(said.casefold().split())
    if not plain:
        raise InvalidError("Falta quién decide.", advice="--relative: cómo llama su oficina a esa persona, siempre igual.")
    return RelativeId("r:" + b64u_encode(digest("relative", plain.encode())[:18]))


def witness(said: str, pseudonyms: Pseudonyms) -> ActorPseudonym:
    """Return the pseudonym of a witness: of the same name, however it is spaced and whatever its case, the same one."""
    return pseudonyms.actor("witness:" + " ".join(said.casefold().split()))


def moment(body: Mapping[str, Any], name: str) -> datetime | None:
    """Return a moment with its offset, or None where it was left out."""
    if name not in body:
        return None
    refused = InvalidError(f"{name} es un momento con su zona.", advice="Por ejemplo 2026-11-26T10:00:00-06:00.")
    try:
        found = datetime.fromisoformat(text(body, name))
    except ValueError:
        raise refused from None
    if found.tzinfo is None or not 1970 < found.year < 9999:
        raise refused
    return found.astimezone(UTC)


def when(body: Mapping[str, Any], name: str) -> datetime:
    """Return a moment that must be there."""
    found = moment(body, name)
    if found is None:
        raise InvalidError(f"Falta {name}.")
    return found


def records(body: Mapping[str, Any]) -> tuple[SourceRecord, ...]:
    """Return records as this institution holds them: a list of {type, values}; none where they were left out."""
    found = body.get("records", [])
    if not isinstance(found, list) or len(found) > 8 or not all(_is_record(item) for item in found):
        raise InvalidError("records es una lista de hasta 8 {type, values}.")
    return tuple(SourceRecord(item["type"], item["values"]) for item in found)


def _is_record(item: object) -> bool:
    if not isinstance(item, dict) or set(item) != {"type", "values"}:
        return False
    return isinstance(item["type"], str) and isinstance(item["values"], dict)
