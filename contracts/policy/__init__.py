"""The policy: who may send what to whom, why, and how coarse each field leaves (SPEC 6.3). Data, signed in the register."""

from contracts.policy.entries import (
    ANY_ROLE,
    ENFORCEMENT,
    Basis,
    BlindSearch,
    Counting,
    Flow,
    Forbid,
    Need,
    Never,
    OwnRecord,
    Purpose,
    Rule,
    Scope,
    SecondPerson,
)
from contracts.policy.model import MAX_POLICY_BYTES, Deny, Permit, Policy, load_source, load_template, parse_policy
from contracts.policy.overlay import Overlay, Stricter, Tightened, check_overlay, parse_overlay

__all__ = [
    "ANY_ROLE",
    "ENFORCEMENT",
    "MAX_POLICY_BYTES",
    "Basis",
    "BlindSearch",
    "Counting",
    "Deny",
    "Flow",
    "Forbid",
    "Need",
    "Never",
    "Overlay",
    "OwnRecord",
    "Permit",
    "Policy",
    "Purpose",
    "Rule",
    "Scope",
    "SecondPerson",
    "Stricter",
    "Tightened",
    "check_overlay",
    "load_source",
    "load_template",
    "parse_overlay",
    "parse_policy",
]
