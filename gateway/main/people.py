"""Joins what steps about people need."""

from collections.abc import Callable
from datetime import timedelta

from gateway.config import SessionsConfig
from gateway.exchange.ports import Clock, LeafBuilder, Randomness
from gateway.main.national_days import NationalDays
from gateway.people.desk import Limits, OffLoopPasswords, PeopleDesk
from gateway.people.institution_ports import Institution
from gateway.storage.engine import Engine
from gateway.storage.people import SqlPeopleReader, people_work_factory
from keys.model import NodeKeys
from keys.passkeys import RelyingParty
from keys.pseudonyms import Pseudonyms
from keys.vault import Vault


def people_desk(  # noqa: PLR0913 - the parts of a desk
    engine: Engine,
    read_engine: Engine,
    keys: NodeKeys,
    *,
    limits: SessionsConfig,
    require_factor: bool,
    console_url: str,
    institution: Institution | None = None,
    leaves: LeafBuilder,
    clock: Clock,
    randomness: Randomness,
    nudge_log: Callable[[], None],
) -> PeopleDesk:
    """Return what steps about people may use."""
    vault = Vault(keys.vault)
    return PeopleDesk(
        begin=people_work_factory(engine),
        reader=SqlPeopleReader(read_engine),
        passwords=OffLoopPasswords(),
        clock=clock,
        randomness=randomness,
        pseudonyms=Pseudonyms(keys.pseudonym),
        leaves=leaves,
        nudge_log=nudge_log,
        bucket=lambda text: vault.digest("sign-in", text.encode("utf-8", "surrogatepass")),
        holidays=NationalDays(),
        secrets=vault,
        institution=institution,
        site=RelyingParty.at(console_url),
        limits=Limits(
            idle=timedelta(seconds=limits.idle_seconds),
            session=timedelta(seconds=limits.session_seconds),
            fresh=timedelta(seconds=limits.fresh_seconds),
            invitation=timedelta(seconds=limits.invitation_seconds),
            require_factor=require_factor,
            factor_grace=timedelta(days=limits.second_factor_grace_days),
        ),
    )
