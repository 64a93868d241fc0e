"""Hash tiles of the audit log (C2SP tlog-tiles): static files anyone may fetch to check the tree (SPEC 7.2, 8.4).

Only hashes are served. Entry bundles are not: a leaf's data says nothing, but how many there are of which length is
the log owner's business; whoever holds a receipt asks for its leaf's proof instead.
"""

import re
from dataclasses import dataclass

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
_PATH = re.compile(
    r"(?P<level>0|[1-9]|[1-5][0-9]|6[0-3])/(?P<index>(?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: `width` hashes of stored nodes at `node_level`, from `first` on."""

    level: int
    index: int
    width: int

    @property
    def node_level(self) -> int:
        """The tree level of the tile's hashes."""
        return self.level * TILE_HEIGHT

    @property
    def first(self) -> int:
        """The index, at that level, of its first hash."""
        return self.index * TILE_WIDTH

    @property
    def path(self) -> str:
        """The path below ``tile/``."""
        digits = f"{self.index:03d}"
        groups = [f"{self.index // 1000**power % 1000:03d}" for power in range((len(digits) - 1) // 3, -1, -1)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        return f"{self.level}/{name}" + ("" if self.width == TILE_WIDTH else f".p/{self.width}")


def parse_tile(path: str) -> Tile | None:
    """Return the tile a path names, or None when it is not the one spelling of a tile."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    index = int(match["index"].replace("x", "").replace("/", ""))
    tile = Tile(int(match["level"]), index, int(match["width"] or TILE_WIDTH))
    return tile if tile.width <= TILE_WIDTH and tile.path == path else None


def exists(tile: Tile, size: int) -> bool:
    """Return whether a log of `size` leaves has this tile: full, or partial with at most as many hashes."""
    nodes = size >> tile.node_level
    return tile.first + tile.width <= nodes
