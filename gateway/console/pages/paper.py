"""A search sheet as paper: its code as a picture, and its page as a PDF where the library for that is installed."""

import asyncio
from typing import Any


def qr(address: str, label: str) -> str:
    """Return an address as a QR code, inline SVG with a title."""
    import segno  # noqa: PLC0415 - a node whose people print nothing need not load it

    made = segno.make(address, error="m", micro=False)
    return str(made.svg_inline(scale=1, border=2, omitsize=True, title=label, svgclass="qr"))


async def pdf(html: str, style: str) -> bytes | None:
    """Return a page as a tagged PDF (PDF/UA-1); None where the library, or what it draws text with, is not installed.

    It fetches nothing: whatever the page names from outside is refused.
    """
    try:
        import weasyprint  # noqa: PLC0415 - an extra; a second to load, and tens of megabytes
    except (ImportError, OSError):
        return None
    return await asyncio.to_thread(_written, weasyprint, html, style)


def pdf_possible() -> bool:
    """Return whether the library for PDFs is there."""
    from importlib.util import find_spec  # noqa: PLC0415 - beside its one use

    return find_spec("weasyprint") is not None


def _written(weasyprint: Any, html: str, style: str) -> bytes:
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=_PROTOCOLS)
    document = weasyprint.HTML(string=html, url_fetcher=fetcher)
    sheet = weasyprint.CSS(string=style, url_fetcher=fetcher)
    return bytes(document.write_pdf(stylesheets=[sheet], pdf_variant="pdf/ua-1"))


_PROTOCOLS: tuple[str, ...] | None = ()
"""By which a page may load something: none, also not from this machine's files."""

PAPER = """
@page{size:letter;margin:1.6cm}
body{font:11pt/1.4 "DejaVu Sans",sans-serif;color:#000}
h1{font-size:22pt;margin:0 0 .3cm}
.sheet .name{font-size:20pt;font-weight:700;margin:0 0 .3cm}
dl.facts div{margin:0 0 .15cm}
dl.facts dt{font-weight:700;display:inline}
dl.facts dt::after{content:": "}
dl.facts dd{display:inline;margin:0}
.warning{border:2pt solid #000;padding:.3cm;margin:.4cm 0}
.check{margin-top:.4cm}
.qr{width:3.4cm;height:3.4cm}
.code{font-size:14pt;font-weight:700;letter-spacing:.06em}
"""
