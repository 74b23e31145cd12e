"""An address on this machine that takes what OpenAI's embeddings API takes."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY, MODEL = "sk-of-a-test", "tiny-meaning"
ONE = 0.1
"""Of the number that all vectors share, so that none is zero."""


class EmbeddingsApi:
    """Knows the meaning of some words, and its callers by a key."""

    def __init__(self, meant: Mapping[str, int]) -> None:
        """``meant`` gives words, in any language, the place of what they mean."""
        self.meant, self.width = meant, max(meant.values()) + 2
        self.asked: list[str] = []
        self.address = ""

    def vector(self, text: str) -> list[float]:
        numbers = [0.0] * (self.width - 1) + [ONE]
        for word, place in self.meant.items():
            numbers[place] += word in text.lower()
        return numbers

    @contextmanager
    def answering(self) -> Iterator["EmbeddingsApi"]:
        """Answer at ``address`` meanwhile."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                known = self.headers.get("Authorization") == f"Bearer {KEY}"
                known &= (self.path, told["model"]) == ("/v1/embeddings", MODEL)
                api.asked += told["input"]
                rows = [
                    {"index": place, "embedding": api.vector(text)}
                    for place, text in enumerate(told["input"])
                ]
                body = json.dumps({"data": rows if known else []}).encode()
                self.send_response(200 if known else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # Half a second is how long it would wait until it looks whether it is to end.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
