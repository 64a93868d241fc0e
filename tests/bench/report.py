"""Writes what a run found: exchange.json, and a table and a plot made of it. The other benches write theirs with its parts."""

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
    ("Share of what the slower side's CPU allows", ("ratios", "share_of_the_slower_side"), ">=", 0.6),
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


def judged(found, targets=TARGETS):
    """Return each target with what was measured and whether it is met; None where nothing was measured."""
    results = []
    for what, path, sense, target in targets:
        value = _at(found, path)
        met = None if value is None else (value <= target if sense == "<=" else value >= target)
        results.append({"what": what, "measured": value, "target": f"{sense} {target}", "met": met})
    return results


def heading(found, title, command):
    """Return the first lines of a table: its title, when, where and how it was measured."""
    machine = found["machine"]
    told = (
        f"{found['date']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; load average at the start "
        f"{machine['load']:.1f}, at the end {machine['load_end']:.1f}. Medians of {found['repetitions']} repetitions, variants "
        f"interleaved inside each. Written by `{command}`. On a loaded machine trust ratios, not absolute numbers."
    )
    tiny = ["**A quick try of the command: these numbers mean nothing.**", ""] if found["quick"] else []
    return [f"# {title}", "", told, "", *tiny]


def target_rows(found):
    """Return the targets as rows of Markdown."""
    lines = ["", "| target | measured | wanted | |", "|---|---|---|---|"]
    words = {True: "met", False: "**missed**", None: "not measured"}
    for item in found["targets"]:
        measured = "" if item["measured"] is None else f"{item['measured']:.2f}"
        lines.append(f"| {item['what']} | {measured} | {item['target']} | {words[item['met']]} |")
    return lines


def table(found):
    """Return the run as Markdown."""
    lines = [
        *heading(found, "Exchanges, measured", "make bench"),
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
    return "\n".join([*lines, *target_rows(found), "", *_libraries(found["idle"]), ""])


def _libraries(idle):
    """Return what bounds memory and start from below."""
    return [
        (
            f"A process that imports the same libraries and nothing of ours: {idle['libraries_mb']:.0f} MB resident, "
            f"{idle['libraries_seconds']:.1f} s to import them."
        )
    ]


def plot(found):
    """Return the CPU of each variant as bars: what the sender used, then what the receiver used."""
    return bars(
        [(f"{engine}, {name}", row) for engine, variants in found["exchanges"].items() for name, row in variants.items()]
    )


def bars(rows):
    """Return named rows' CPU as bars, the sender's share dark, the receiver's light."""
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


def write(found, folder, *, name="exchange", text=table, drawing=plot):
    """Write the result, its table, and its plot unless there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    (folder / f"{name}.md").write_text(text(found))
    if drawing is not None:
        (folder / f"{name}.svg").write_text(drawing(found))
