"""What a run against the peers found: ratios, targets, table and plot."""

import statistics

from tests.bench import report

TARGETED = "4 kB, 64 in flight"
TARGETS = (
    ("ACA-Py's CPU, as a multiple of Paradero's, 4 kB, 64 in flight", ("ratios", "acapy", TARGETED, "fewer"), ">=", 5),
    ("AS2's CPU, as a multiple of Paradero's, 4 kB, 64 in flight", ("ratios", "as2", TARGETED, "fewer"), ">=", 12),
    ("Bytes against AS2's, receipt included, 4 kB, without our padding", ("ratios", "as2", TARGETED, "bytes"), "<=", 0.8),
)
_BASE64_TWICE = 16 / 9
"""What one byte of payload is on the wire: base64 in the JWS, and that JWS in base64 again in the JWE (SPEC 4)."""


def without_padding(row):
    """Return the bytes an exchange of Paradero's would carry were its message not padded to its bucket."""
    return row["bytes"] - row["padding"] * _BASE64_TWICE


def bound_of_bytes(ours, theirs):
    """Return what bounds the ratio of bytes: what an exchange carries besides its payload, at either, and up to which payload
    the ratio can be 0.8. A byte of payload is 16/9 bytes at ours and one at theirs, whatever else is saved.
    """
    besides = without_padding(ours) - ours["payload"] * _BASE64_TWICE, theirs["bytes"] - theirs["payload"]
    return {"ours": besides[0], "theirs": besides[1], "up_to": (0.8 * besides[1] - besides[0]) / (_BASE64_TWICE - 0.8)}


def ratios(ours, theirs):
    """Return the medians over repetitions of what ours cost against theirs; `fewer` is how many times more theirs is.

    Rows of one repetition were measured in one go; they are compared with each other and never with another repetition's.
    """
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "cpu": statistics.median(our["cpu_ms"] / their["cpu_ms"] for our, their in pairs),
        "fewer": statistics.median(their["cpu_ms"] / our["cpu_ms"] for our, their in pairs),
        "bytes": statistics.median(without_padding(our) / their["bytes"] for our, their in pairs),
        "bytes_padded": statistics.median(our["bytes"] / their["bytes"] for our, their in pairs),
    }


def compared(rows):
    """Return the ratios of every peer's variants; `rows` has Paradero's and the peers' rows, by name and variant."""
    ours = rows["paradero"]
    return {
        name: {variant: ratios(ours[variant], theirs) for variant, theirs in variants.items()}
        for name, variants in rows.items()
        if name != "paradero"
    }


def _bound(found):
    try:
        ours, theirs = (found["exchanges"][name][TARGETED] for name in ("paradero", "as2"))
    except KeyError:
        return []
    told = bound_of_bytes(ours, theirs)
    said = (
        f"Besides its payload an exchange carries {told['ours']:.0f} bytes at Paradero (the post-quantum key, signatures, receipt) "
        f"and {told['theirs']:.0f} at AS2 (the certificate, signatures, MDN); a byte of payload is 16/9 bytes in a JWS in a JWE, "
        f"and one in S/MIME. So 0.8 of AS2's bytes is within reach up to a payload of {max(0, told['up_to']):.0f} bytes, not beyond."
    )
    return ["", said]


def judged(found):
    """Return the targets as judged."""
    return report.judged(found, TARGETS)


def table(found):
    """Return the run as Markdown."""
    return "\n".join(
        [
            *report.heading(found, "Paradero beside other exchanges, measured", "make bench-peers"),
            *_peers(found),
            *_rows(found),
            *_ratios(found),
            *_bound(found),
            *report.target_rows(found),
            "",
        ]
    )


def _peers(found):
    lines = ["| peer | what | kept durably at both ends | signed receipt | how that is known |", "|---|---|---|---|---|"]
    for name, told in found["peers"].items():
        if told["missing"]:
            lines.append(f"| {name} | **NOT MEASURED: {told['missing']}** | | | |")
            continue
        words = ["yes" if told[key] else "**no**" for key in ("durable", "receipt")]
        lines.append(f"| {name} | {told['about']} | {words[0]} | {words[1]} | {told['how']} |")
    if found["acapy_admin_cpu_ms"] is not None:
        lines += ["", f"Of ACA-Py's CPU, one call of its admin API alone is {found['acapy_admin_cpu_ms']:.2f} ms."]
    return lines


def _rows(found):
    lines = [
        *(
            "",
            "Bytes are bodies, receipt included, without HTTP's headers; without padding: what they would be were messages not",
        ),
        *("padded to their bucket. AS4 has no network: its rate is one core's.", ""),
        "| exchange | per second | CPU-ms both ends | p50 ms | p99 ms | payload | bytes | without padding | headers besides |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, variants in found["exchanges"].items():
        for variant, row in variants.items():
            whole = [f"{row[key]:.0f}" for key in ("p50_ms", "p99_ms", "payload", "bytes")]
            bare = f"{without_padding(row):.0f}" if "padding" in row else ""
            heads = f"{row['header_bytes']:.0f}" if "header_bytes" in row else "not counted"
            told = " | ".join([f"{row['per_second']:.0f}", f"{row['cpu_ms']:.2f}", *whole, bare, heads])
            lines.append(f"| {name}, {variant} | {told} |")
    return lines


def _ratios(found):
    lines = [
        *("", "Paradero against each peer, medians of the ratios of each repetition:", ""),
        "| peer | CPU, Paradero / peer | that is, times fewer | bytes without padding | bytes as sent |",
        "|---|---|---|---|---|",
    ]
    for name, variants in found["ratios"].items():
        for variant, row in variants.items():
            numbers = " | ".join(f"{row[key]:.2f}" for key in ("cpu", "fewer", "bytes", "bytes_padded"))
            lines.append(f"| {name}, {variant} | {numbers} |")
    return lines


def plot(found):
    """Return the CPU of every exchange as bars."""
    return report.bars(
        [(f"{name}, {variant}", row) for name, variants in found["exchanges"].items() for variant, row in variants.items()]
    )
