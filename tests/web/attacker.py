"""An attacker's own pages: a server on another port of this machine, under any name.

Chromium resolves every *.localhost to this machine; DNS rebinding is played by telling it that the
attacker's name resolves to the face's port (`--host-resolver-rules`).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Attacker:
    """port: where its pages are. pages: path → HTML. heard: what was sent to it."""

    port: int
    pages: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def origin(self, name: str) -> str:
        return f"http://{name}:{self.port}"


@contextmanager
def attacking() -> Iterator[Attacker]:
    """A server on loopback that ends with the block."""
    attacker = Attacker(0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            attacker.heard.append(self.path)
            body = attacker.pages.get(self.path.split("?")[0], "").encode()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    attacker.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield attacker
    finally:
        server.shutdown()
        server.server_close()
