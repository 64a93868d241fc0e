"""Debian's Chromium, driven through the pages of a node on this machine; nothing of it looks outside."""

import os
import shutil
from contextlib import asynccontextmanager

import pytest

CHROMIUM = shutil.which("chromium")
REQUIRED = os.environ.get("PARADERO_REQUIRE_CHROMIUM") == "1"
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip

needs_browser = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED, reason="NO CHROMIUM: pages were not tried in a browser (apt-get install chromium)"
)


@asynccontextmanager
async def browser():
    from playwright.async_api import async_playwright

    assert CHROMIUM, "PARADERO_REQUIRE_CHROMIUM is set and there is no chromium"
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        try:
            yield found
        finally:
            await found.close()


@asynccontextmanager
async def screen(found, base, session=None, *, width=1280, height=900, lang="es-GT", scripts=True):
    """One person's window: signed in by the token of a cookie, with or without scripts, of some width.

    A certificate that a test made is believed.
    """
    from gateway.console.access import SESSION_COOKIE

    context = await found.new_context(
        viewport={"width": width, "height": height},
        locale=lang,
        java_script_enabled=scripts,
        reduced_motion="reduce",
        ignore_https_errors=True,
    )
    if session:
        await context.add_cookies(
            [
                {
                    "name": SESSION_COOKIE,
                    "value": session,
                    "url": base.replace("http:", "https:"),
                    "secure": True,
                    "httpOnly": True,
                    "sameSite": "Strict",
                }
            ]
        )
    try:
        yield await context.new_page()
    finally:
        await context.close()
