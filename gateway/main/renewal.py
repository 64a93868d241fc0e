"""Making a node's next keyset: before the last one ends, after the node suspended itself, or for another address."""

from contracts.errors import ConfigurationError
from contracts.register import KeysetLog
from gateway.config import NodeConfig
from gateway.exchange.ports import Clock
from gateway.main.setup import log_key_operation
from keys.keystore import load_node_keys, write_durably
from keys.register.ceremony import make_keyset
from keys.register.client import RegisterClient
from keys.register.state import Keyset
from keys.tls import pin


async def renew_keyset(
    config: NodeConfig, clock: Clock, *, endpoint: str | None = None, seq: int | None = None
) -> dict[str, str]:
    """Write the node's next keyset beside its request: the same keys, a later end, a higher `seq` (SPEC 4.4).

    The certificate's pin is taken from the certificate the configuration names, if the last keyset had one. Uses no network.

    Raises:
        ConfigurationError: no keyset of this node is known here, `seq` does not grow, or a key cannot be opened.
    """
    now = clock.now()
    last = _last(config)
    number = last.seq + 1 if seq is None else seq
    if number <= last.seq:
        raise ConfigurationError(f"el juego de llaves publicado tiene --seq {last.seq}", advice="El nuevo necesita uno mayor.")
    keys = load_node_keys(config.node_keys, config.key_identity)
    try:
        jws = make_keyset(
            keys,
            endpoint=endpoint or last.endpoint.url,
            log=KeysetLog(origin=last.log.origin, vkey=last.log.vkey),
            seq=number,
            now=now,
            tls_pin=_pin(config) if last.endpoint.tls_pin is not None else None,
        )
    except ValueError:
        advice = "Es https://anfitrión/parte-secreta, sin barra final."
        raise ConfigurationError("--endpoint no es una dirección de federación", advice=advice) from None
    await log_key_operation(config, now, "keys.keyset-renewed")
    target = config.request.with_name("keyset.jws")
    write_durably(target, jws.encode("ascii") + b"\n", mode=0o644)
    return {"keyset": str(target), "seq": str(number)}


def _last(config: NodeConfig) -> Keyset:
    keyset = RegisterClient(config.trust, _no_network, demo=config.demo).load().keysets.get(config.node)
    if keyset is None:
        raise ConfigurationError(
            "el registro que hay aquí no tiene llaves de este nodo", advice="Envíe request.json al registrador."
        )
    return keyset


def _pin(config: NodeConfig) -> str:
    certificate = config.federation.tls_certificate
    if certificate is None:
        raise ConfigurationError(
            "el juego publicado lleva la huella de un certificado, y la configuración no nombra ninguno",
            advice="Ponga [federation] tls_certificate.",
        )
    try:
        return pin(certificate.read_bytes())
    except (OSError, ValueError):
        raise ConfigurationError(f"{certificate} no se puede leer como certificado") from None


def _no_network(_path: str, _limit: int) -> bytes:
    raise ConfigurationError("renovar llaves no usa la red")
