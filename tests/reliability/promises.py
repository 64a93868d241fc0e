"""What Paradero promises, as statements a test can break. `docs/RELIABILITY.md` is written from this table and from runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Promise:
    """One falsifiable statement; `later` names the feature it waits for, and then no test is asked of it yet."""

    title: str
    statement: str
    later: str | None = None


PROMISES = {
    "R1": Promise(
        "Durable acceptance",
        "A message once acknowledged is never lost by the death of a process, a kernel crash or a power cut.",
    ),
    "R2": Promise(
        "Exactly one effect",
        "Each message id has exactly one effect at its recipient, whatever is doubled, reordered or retried.",
    ),
    "R3": Promise(
        "Nothing unproven is accepted",
        "No envelope that is unsigned, altered by one bit, signed by a key not valid for its sender, addressed to another node, "
        "expired or from the future becomes a stored message.",
    ),
    "R4": Promise(
        "Hostile bytes cost little",
        "Malformed requests meet no 5xx and no unhandled exception; memory and descriptors stay flat; a healthy client's 99th "
        "percentile stays under one second.",
    ),
    "R5": Promise(
        "The log is complete",
        "Every accept, authenticated refusal, send, dead letter and key operation has exactly one leaf, in the transaction of its "
        "effect; the sequence has no gap; tampering is found.",
    ),
    "R6": Promise(
        "Two histories are caught",
        "A node that shows two histories is found by its witnesses within one interval.",
        later="witnesses",
    ),
    "R7": Promise(
        "The register cannot be forked, frozen or rolled back",
        "Two registers of one version, an older one, an expired one, or one signed by fewer than the threshold are refused; the "
        "conflicting pair is kept as evidence.",
    ),
    "R8": Promise(
        "Partition and heal",
        "During any partition no acknowledged message is lost; within 60 seconds of its end a backlog of 1,000 messages is "
        "delivered, without a storm of retries.",
    ),
    "R9": Promise(
        "Clocks may be wrong",
        "With one clock five minutes off everything works; further off the node refuses or is refused and says why; no jump of a "
        "clock purges, discloses or doubles anything.",
    ),
    "R10": Promise(
        "Disk full, read-only, broken",
        "Acceptance stops with a retryable answer, nothing acknowledged is lost, service resumes by itself when space returns; on a "
        "failed sync the process stops at once.",
    ),
    "R11": Promise(
        "Replay",
        "The same bytes again, at any later time, have no second effect and earn the same receipt, or are refused as expired.",
    ),
    "R12": Promise(
        "A suspended partner",
        "From the poll that brings a suspension nothing signed by that partner is accepted, nothing is sent to it, and what waits "
        "for it is held; history stays verifiable.",
    ),
    "R13": Promise(
        "A poison message hurts itself alone",
        "A message that makes our code raise, hang or grow is quarantined after a bounded number of attempts; others keep flowing.",
    ),
    "R14": Promise(
        "A worker that was stopped",
        "A worker stopped past its lease and then resumed causes no second effect and cannot overwrite the result of the one that "
        "took over.",
    ),
    "R15": Promise(
        "Slow clients", "Slow connections are all closed within the limits, and a healthy client sees answers under a second."
    ),
    "R16": Promise(
        "Restore",
        "After restoring any backup no effect is repeated, the log does not fork, and peers send again what was lost.",
    ),
    "R17": Promise(
        "Purge and withdrawal", "After a purge nothing of the person is in any file, and an old backup's rows do not open."
    ),
    "R18": Promise(
        "Refusals say nothing (at the doors)",
        "Whatever a node holds, its doors answer a refused or unknown request with the same bytes, lengths and time class.",
    ),
    "R19": Promise(
        "No personal data in logs",
        "A canary in every personal field appears in no log, metric, error, URL or database server log.",
    ),
    "R20": Promise("Upgrade and mixed versions", "A version and the one before it work together.", later="a second version"),
    "R21": Promise("Fail-over", "With a synchronous standby a killed primary loses nothing.", later="the standby handbook"),
    "R22": Promise(
        "Cancellation",
        "A client that leaves at any byte, or a request cancelled at any await, leaves everything or nothing, and asking again with "
        "the same id gives the truth.",
    ),
}
