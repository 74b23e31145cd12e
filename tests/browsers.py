"""The browser that tests open pages in: Debian's own."""

import shutil
from contextlib import contextmanager

import pytest


def chromium():
    """Find the one without windows, which takes half of the processor time, or the whole one."""
    found = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if found is None:
        pytest.skip("no browser here: apt-get install chromium-headless-shell (or chromium)")
    return found


@contextmanager
def browsing():
    """Open one, driven by Playwright, for as long as the block lasts."""
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-background-networking", "--disable-quic"],
        )
        try:
            yield browser
        finally:
            browser.close()
