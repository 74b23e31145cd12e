"""An address on this machine that takes what OpenAI's chat completions API takes, at a known speed.

What it says is made by a function of the question, so a test says how wise, or how gullible, it is.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY, MODEL = "sk-of-a-test", "tiny-words"
CHARACTERS = 4
"""Of one of its tokens."""


class LlmApi:
    """Knows its callers by a key, and takes so long for each token."""

    def __init__(
        self,
        speak: Callable[[str, Any], Any],
        tokens_per_s: float = 0.0,
        first_s: float = 0.0,
    ) -> None:
        """``speak`` makes an answer of the purpose and what is told; a text is sent as it is.

        Args:
            speak: Makes a value, or a text.
            tokens_per_s: 0: at once.
            first_s: Until the first token.
        """
        self.speak, self.tokens_per_s, self.first_s = speak, tokens_per_s, first_s
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.status = 200
        self.more: dict[str, Any] = {}
        self.most_at_once = self._now = 0
        self._lock = threading.Lock()
        self.address = ""

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer as the API does."""
        purpose = body["response_format"]["json_schema"]["name"]
        told = body["messages"][-1]["content"]
        said = self.speak(purpose, told)
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        asked = sum(len(one["content"]) for one in body["messages"]) // CHARACTERS
        tokens = max(1, len(text) // CHARACTERS)
        if self.first_s:
            time.sleep(self.first_s)
        if self.tokens_per_s:
            time.sleep(tokens / self.tokens_per_s)
        return {
            "choices": [{"message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": asked, "completion_tokens": tokens},
            **self.more,
        }

    @contextmanager
    def answering(self) -> Iterator["LlmApi"]:
        """Answer at ``address`` meanwhile."""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with api._lock:
                    api.asked.append(body)
                    api.keys.append(self.headers.get("Authorization"))
                    api._now += 1
                    api.most_at_once = max(api.most_at_once, api._now)
                known = self.headers.get("Authorization") == f"Bearer {KEY}"
                status = api.status if known and body["model"] == MODEL else 401
                try:
                    said = api.answer(body) if status == 200 else {"detail": KEY}
                finally:
                    with api._lock:
                        api._now -= 1
                sent = json.dumps(said).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)
                except OSError:
                    """Nobody waits any more."""

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
