"""Writes what a run found: exchange.json, and a table and a plot made of it."""

import json

TARGETS = (
    (
        "CPU-ms per exchange, both ends, 64 in flight, SQLite",
        ("exchanges", "sqlite", "4 kB, 64 in flight", "cpu_ms"),
        "<=",
        2.5,
    ),
    ("Exchanges per second, 64 in flight, SQLite", ("exchanges", "sqlite", "4 kB, 64 in flight", "per_second"), ">=", 600),
    ("CPU-ms per exchange, 50 a POST, SQLite", ("exchanges", "sqlite", "4 kB, 50 a POST", "cpu_ms"), "<=", 1.8),
    ("One alone, p50 ms", ("exchanges", "sqlite", "4 kB, 1 in flight", "p50_ms"), "<=", 12),
    ("CPU against a bare JOSE pair", ("ratios", "against_jose_pair"), "<=", 1.3),
    ("PostgreSQL's CPU against SQLite's", ("ratios", "postgresql_against_sqlite"), "<=", 1.3),
    ("Idle, % of a core", ("idle", "cpu_percent"), "<=", 0.5),
    ("Idle, MB resident", ("idle", "resident_mb"), "<=", 90),
    ("Start to ready, seconds", ("idle", "ready_seconds"), "<=", 2),
)


def _at(found, path):
    for name in path:
        if found is None:
            return None
        found = found.get(name)
    return found


def judged(found):
    """Return each target with what was measured and whether it is met; None where nothing was measured."""
    results = []
    for what, path, sense, target in TARGETS:
        value = _at(found, path)
        met = None if value is None else (value <= target if sense == "<=" else value >= target)
        results.append({"what": what, "measured": value, "target": f"{sense} {target}", "met": met})
    return results


def table(found):
    """Return the run as Markdown."""
    machine = found["machine"]
    lines = [
        "# Exchanges, measured",
        "",
        (
            f"{found['date']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; load average at the start "
            f"{machine['load']:.1f}, at the end {machine['load_end']:.1f}. Medians of {found['repetitions']} repetitions, variants "
            "interleaved inside each. Written by `make bench`. On a loaded machine trust ratios, not absolute numbers."
        ),
        "",
        "| variant | exchanges/s | CPU-ms send | receive | both | p50 ms | p99 ms | bytes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for engine, variants in found["exchanges"].items():
        for name, row in variants.items():
            numbers = [f"{row[key]:.2f}" for key in ("cpu_ms_send", "cpu_ms_receive", "cpu_ms")]
            times = [f"{row[key]:.0f}" for key in ("p50_ms", "p99_ms", "bytes")]
            lines.append(f"| {engine}, {name} | {row['per_second']:.0f} | {' | '.join(numbers + times)} |")
    lines += ["", "| bound, same run | per second | CPU-ms |", "|---|---|---|"]
    lines += [f"| {name} | | {value:.3f} |" for name, value in found["primitives"].items()]
    lines += [f"| {name} | {row['per_second']:.0f} | {row['cpu_ms']:.3f} |" for name, row in found["bounds"].items()]
    lines += ["", "| target | measured | wanted | |", "|---|---|---|---|"]
    words = {True: "met", False: "**missed**", None: "not measured"}
    for item in found["targets"]:
        measured = "" if item["measured"] is None else f"{item['measured']:.2f}"
        lines.append(f"| {item['what']} | {measured} | {item['target']} | {words[item['met']]} |")
    return "\n".join([*lines, ""])


def plot(found):
    """Return the CPU of each variant as bars: what the sender used, then what the receiver used."""
    rows = [(f"{engine}, {name}", row) for engine, variants in found["exchanges"].items() for name, row in variants.items()]
    scale = 420 / max(row["cpu_ms"] for _, row in rows)
    height = 40 + 24 * len(rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif" font-size="12">',
        '<text x="10" y="18">CPU-ms per exchange: sender (dark), receiver (light)</text>',
    ]
    for number, (name, row) in enumerate(rows):
        y, send, receive = 30 + 24 * number, row["cpu_ms_send"] * scale, row["cpu_ms_receive"] * scale
        parts += [
            f'<text x="10" y="{y + 13}">{name}</text>',
            f'<rect x="220" y="{y}" width="{send:.1f}" height="16" fill="#1f4e79"/>',
            f'<rect x="{220 + send:.1f}" y="{y}" width="{receive:.1f}" height="16" fill="#9cc3e6"/>',
            f'<text x="{226 + send + receive:.1f}" y="{y + 13}">{row["cpu_ms"]:.2f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def write(found, folder):
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "exchange.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    (folder / "exchange.md").write_text(table(found))
    (folder / "exchange.svg").write_text(plot(found))
