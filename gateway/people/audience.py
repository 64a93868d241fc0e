"""Who is told of what by mail: whoever has the work; else those who could take it; of what is late their head too.

Of what is about no work, who runs the node. Nobody who may not see it in the console is told that it is there.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.ids import Code
from contracts.notices import NoticeType
from gateway.exchange.notice_ports import Notice, WorkOf
from gateway.people.ports import Listed, Office, PersonState
from gateway.people.roles import PERMISSIONS, Permission, Role

_MACHINE_ROOM = frozenset({NoticeType.DELIVERY_FAILED, NoticeType.DELIVERY_RECOVERED, NoticeType.KEY_EXPIRING, NoticeType.TEST})
_OVERDUE = frozenset({NoticeType.REQUEST_OVERDUE, NoticeType.REFERRAL_OVERDUE, NoticeType.WORK_OVERDUE})
_NEEDS = {NoticeType.APPROVAL_WAITING: Permission.APPROVE}


@dataclass(frozen=True, slots=True)
class Staff:
    """Everybody who can come in, and the offices that are open."""

    people: Sequence[Listed]
    offices: Sequence[Office]

    def __call__(self, notices: Sequence[Notice], known: Mapping[str, WorkOf]) -> Mapping[str, Sequence[Notice]]:
        """Return which people are to be told which notices."""
        told: defaultdict[str, list[Notice]] = defaultdict(list)
        for notice in notices:
            for person in self._told(notice, known.get(notice.opening or "")):
                if person != notice.but:
                    told[person].append(notice)
        return told

    def here(self, person: str) -> bool:
        """Return whether a person works here still."""
        return person in self._enabled()

    def _told(self, notice: Notice, whose: WorkOf | None) -> frozenset[str]:
        if notice.type in _MACHINE_ROOM:
            return self._at(None, frozenset({Role.NODE_ADMIN}))
        roles = PERMISSIONS[_NEEDS.get(notice.type, Permission.WORK_READ)]
        office = notice.office if whose is None else whose.office
        around = self._at(office, roles)
        if whose is None or whose.person is None or notice.type in _NEEDS:
            return around
        heads = self._at(office, frozenset({Role.OFFICE_HEAD})) if notice.type in _OVERDUE else frozenset()
        return heads | (self._enabled() & {whose.person})

    def _at(self, office: Code | None, roles: frozenset[Role]) -> frozenset[str]:
        """Return who has one of these roles at an office; for none, or one that is closed, at those that take such work."""
        open_ = {item.code for item in self.offices if item.closed_at is None}
        takes = {item.code for item in self.offices if item.closed_at is None and item.takes_inbox}
        places = {office} if office in open_ else takes
        return frozenset(
            str(item.person.person_id)
            for item in self.people
            if item.person.state is PersonState.ENABLED
            and any(post.role in roles and (post.office is None or post.office in places) for post in item.posts)
        )

    def _enabled(self) -> frozenset[str]:
        return frozenset(str(item.person.person_id) for item in self.people if item.person.state is PersonState.ENABLED)
