"""Messages about to leave, for the walls: an example of each type, to a role, with what it would carry."""

from contracts.disclosure import Recipient
from contracts.fields import FIELDS, RecordType
from contracts.ids import ActorPseudonym, Code, NodeId
from contracts.messages import CaseState, CaseStatusBody, Located, SearchResponseBody, SearchResult
from contracts.register import Role
from contracts.walls import Carried, CaseMarks, Leaving
from tests.contracts.samples import EXAMPLES
from tests.contracts.test_policy_disclosure import SAMPLES

OFFICER, SECOND = ActorPseudonym("a:oficial-1"), ActorPseudonym("a:oficial-2")
NODES = {
    Role.SEARCH_MECHANISM: "gt.igm.mbmid",
    Role.MIGRATION_CONTROL: "gt.igm.control",
    Role.FOREIGN_ENFORCEMENT: "us.ejemplo",
    Role.FOREIGN_SEARCH: "mx.cnb",
    Role.CHILD_PROTECTION: "gt.pgn",
    Role.HEALTH: "gt.mspas",
    Role.CONSULATE: "gt.minex.mcallen",
}


def carried(record_type, *names, **values):
    """A record with these fields, each with the sample of its kind unless it is given."""
    fields = FIELDS[record_type]
    claims = {name: SAMPLES[fields[name].kind] for name in names} | values
    return Carried(record_type.value, claims, fields)


def message(kind, *, basis="gt:codigo-migracion:198-207", **change):
    return EXAMPLES[kind].model_copy(update={"basis": Code(basis), **change})


def found(result=SearchResult.MATCH):
    body = SearchResponseBody(result=result, searched_at=1_795_953_600, basis=None)
    return message("search.response", body=body)


def alive():
    body = CaseStatusBody(
        state=CaseState.LOCATED_ALIVE, sequence=3, located=Located(will="undecided", evidence=Code("interview"))
    )
    return message("case.status", body=body)


def leaving(about, role=Role.SEARCH_MECHANISM, *records, marks=None, **more):
    to = Recipient(NodeId(NODES.get(role, "gt.ejemplo")), role)
    more.setdefault("drafted_by", OFFICER)
    return Leaving(message=about, to=to, carried=records, marks=marks or CaseMarks(), **more)


PERSON = carried(RecordType.MISSING_PERSON, "given_names", "surname_1", "sex")
PATIENT = carried(RecordType.UNIDENTIFIED_PERSON, "sex", "age_range")
REMAINS = carried(RecordType.UNIDENTIFIED_REMAINS, "sex", "age_range")
REPORTER = carried(RecordType.REPORTER, "name", "phones")
