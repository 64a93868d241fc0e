"""What the demo's verifier sees: a bundle, a log, and a copy of a log that somebody with database access edited."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.config import load_config
from gateway.demo.processes import DemoNode
from gateway.main.logcheck import check_log, edit_log_entry
from gateway.storage.log import LogCheck
from keys.evidence import NOT_PROVED_ES, verify_bundle


@dataclass(frozen=True, slots=True)
class BundleResult:
    """A verified bundle, for the story."""

    ok: bool
    complete: bool
    steps: int
    not_proved: tuple[str, ...] = NOT_PROVED_ES


async def verify_bundle_file(path: Path, fingerprint: str) -> BundleResult:
    """Verify a bundle as `paradero verify` does."""
    result = await asyncio.to_thread(lambda: verify_bundle(path.read_bytes(), root_fingerprint=fingerprint))
    return BundleResult(result.ok, result.complete, len(result.steps))


async def write(path: Path, data: bytes) -> None:
    """Write a file without holding up the story."""
    await asyncio.to_thread(path.write_bytes, data)


async def verify_log(node: DemoNode) -> LogCheck:
    """Check a node's whole log as `paradero verify CONFIG` does."""
    return await check_log(load_config(node.config))


async def tamper_with_copy(node: DemoNode, copy: Path) -> tuple[int, LogCheck]:
    """Copy a stopped node, edit the middle entry of the copy's log as an insider would, and check it."""
    await asyncio.to_thread(_copy, node.folder, copy)
    config = load_config(copy / "paradero.toml")
    index = await edit_log_entry(config)
    return index, await check_log(config)


def _copy(folder: Path, copy: Path) -> None:
    shutil.copytree(folder, copy)
    path = copy / "paradero.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(str(folder.resolve()), str(copy.resolve())), encoding="utf-8")
