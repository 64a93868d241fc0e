"""What the bench sends: duty notices, the one type with records that calls for no answer, so that one is one exchange.

``1.5`` carries no record; ``4`` one record of 28 fields of which eight leave and twenty are withheld; ``20`` four whole
records. The names are the size of the unpadded payload in kB, roughly; what it was exactly is measured.
"""

from contracts.disclosure import Grant, SourceRecord
from contracts.fields import FIELDS, RecordType
from contracts.ids import NodeId
from contracts.messages import DutyNotice, DutyNoticeBody
from gateway.exchange.desk import ALBA_KENETH, DUTY_BASIS, PROTECT
from gateway.exchange.submit import Draft

SOURCE, DESTINATION = NodeId("gt.igm.mbmid"), NodeId("gt.pgn")
SIZES = ("1.5", "4", "20")
# A copy: importing the tests would weigh in the memory and start of the node measured.
_SAMPLES = {
    "text": "texto",
    "long_text": "varias palabras",
    "choice": "male",
    "choices": ["quc", "spa"],
    "digits": "9900000011301",
    "name": "Ficticia",
    "names": ["Ficticia", "María"],
    "date": {"date": "1999-03-12", "precision": "day"},
    "age": {"min": 22, "max": 26},
    "measure": {"min": 162, "max": 166},
    "place": {"country": "GT", "department": "13", "municipality": "1333", "text": "Aldea Ficticia"},
    "items": [{"type": "tattoo", "region": "forearm", "text": "nombre de una persona"}],
    "consents": [{"scope": "c2", "act": "given", "from": "2026-10-15"}],
    "attachments": [{"sha256": "A" * 43, "size": 20_480, "mt": "image/jpeg", "grade": "mark", "key": "A" * 43}],
    "phones": ["+50255550100"],
    "coordinates": {"lat": 2703110, "lon": -9821450},
    "flag": True,
}

_LEAVE = ("given_names", "surname_1", "surname_2", "birth_date", "sex", "residence", "height_cm", "last_contact_place")
_STAY = (
    *("married_surname", "gender", "religion", "documents", "birth_place", "background", "immigration_status"),
    *("health_conditions", "phones", "intended_destination", "route", "companions", "smuggler", "debt", "narrative"),
    *("protection_need", "biometric_refs", "features", "dental_summary", "belongings"),
)


def _record(names):
    definitions = FIELDS[RecordType.MISSING_PERSON]
    return SourceRecord(RecordType.MISSING_PERSON, {name: _SAMPLES[definitions[name].kind] for name in names})


RECORDS = {
    "1.5": (),
    "4": (_record((*_LEAVE, *_STAY)),),
    "20": tuple(_record(FIELDS[RecordType.MISSING_PERSON]) for _ in range(4)),
}


def drafts(node, size, count):
    """Return `count` drafts of one size, each in a thread of its own."""
    now = node.clock.now()
    actor = node.pseudonyms.actor("bench")
    return [
        Draft(
            kind=DutyNotice,
            to=DESTINATION,
            body=DutyNoticeBody(duty=ALBA_KENETH, age_known=True),
            purpose=PROTECT,
            basis=DUTY_BASIS,
            actor=actor,
            thread_id=node.new_thread_id(now),
            case_key=node.new_message_id(now),
            records=RECORDS[size],
            grant=Grant(frozenset(), duty=True, approvals=1),
            message_id=node.new_message_id(now),
        )
        for _ in range(count)
    ]
