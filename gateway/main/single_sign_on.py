"""Joins the ministry's own sign-in, where a node uses one."""

from contextlib import AsyncExitStack

from contracts.errors import ConfigurationError
from gateway.config import NodeConfig
from gateway.console.institution_client import InstitutionClient
from gateway.exchange.ports import Clock
from gateway.people.institution_ports import Institution
from keys.keystore import read_secret

BACK = "/entrar/institucion/vuelta"


def institution_of(config: NodeConfig, clock: Clock, stack: AsyncExitStack) -> Institution | None:
    """Return the ministry's sign-in as configured; None where there is none.

    Raises:
        ConfigurationError: its secret can be read by others, or is no text.
    """
    chosen = config.single_sign_on
    if chosen.issuer is None or chosen.client_id is None or chosen.name is None:  # all or none: the model saw to it
        return None
    secret = None
    if chosen.secret_file is not None:
        try:
            secret = read_secret(chosen.secret_file).decode("utf-8").strip()
        except UnicodeDecodeError:
            raise ConfigurationError(f"{chosen.secret_file} no es texto", advice="Un secreto, en una línea.") from None
    client = InstitutionClient(chosen.issuer, chosen.client_id, secret, clock.now)
    stack.push_async_callback(client.close)
    return Institution(
        provider=client,
        issuer=chosen.issuer,
        client=chosen.client_id,
        name=chosen.name,
        back=config.console_url + BACK,
        by_email=chosen.linked_by == "email",
        amr=frozenset(chosen.amr),
        acr=frozenset(chosen.acr),
    )
