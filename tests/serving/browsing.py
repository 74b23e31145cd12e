"""The app behind a real port, and pages of it in a real browser."""

import contextlib
import os
import threading
import time
from pathlib import Path

import uvicorn
from ports import free_port


@contextlib.contextmanager
def served(app):
    port = free_port()
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def quiet_pages(browser, url):
    """Opens pages, which may say nothing in the console and ask no other host."""
    heard, asked = [], []
    with contextlib.ExitStack() as opened:

        def opens(path, scheme="light", width=1280, height=900):
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            opened.callback(page.close)
            page.on("console", lambda line: heard.append(line.text))
            page.on("pageerror", lambda error: heard.append(str(error)))
            page.on("request", lambda sent: asked.append(sent.url))
            page.goto(f"{url}{path}")
            return page

        yield opens
    assert heard == []
    assert {one for one in asked if not one.startswith(url)} == set()


def take_picture(page, name):
    """Kept where somebody wants to look at it."""
    if folder := os.environ.get("COTERIE_SCREENSHOTS"):
        page.screenshot(path=Path(folder, f"{name}.png"), full_page=True)


def fits(page):
    """Nothing is wider than the screen."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
