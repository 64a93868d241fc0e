"""Files of policies: read, checked, or refused in words. Apart from what tries them, which a running node need not load."""

from pathlib import Path

from contracts.errors import ConfigurationError, SchemaError
from contracts.policy import Overlay, Policy, check_overlay, load_template, parse_overlay, parse_policy
from contracts.policy.drafting import policy_text


def read_policy(path: Path | None) -> bytes:
    """Return the policy of a file, JSON or readable source; the template when there is none.

    Raises:
        OSError: the file cannot be read.
        SchemaError, MalformedError, TooLargeError: no policy.
    """
    data = policy_text(path.read_bytes()) if path else load_template("first-policy")
    parse_policy(data)
    return data


def read_overlay(path: Path, policy: Policy) -> tuple[Overlay, tuple[str, ...]]:
    """Return an overlay that is stricter than `policy`, and its entries that reach nothing.

    Raises:
        OSError: the file cannot be read.
        SchemaError: no overlay, or one that is laxer.
    """
    overlay = parse_overlay(path.read_text(encoding="utf-8"))
    return overlay, check_overlay(policy, overlay)


def node_overlay(path: Path | None, policy: Policy) -> Overlay | None:
    """Return a node's overlay, if it has one; a node that cannot read its own restrictions must not send without them.

    Raises:
        ConfigurationError: no such file, no overlay, or one that is laxer than the policy in force.
    """
    if path is None:
        return None
    try:
        return read_overlay(path, policy)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {type(error).__name__}", advice="Compruebe `overlay` en la configuración.") from None
    except SchemaError as error:
        advice = "Corríjalo y compruébelo: paradero policy check-overlay ARCHIVO --policy …"
        raise ConfigurationError(f"{path}: {error}", advice=advice) from None
