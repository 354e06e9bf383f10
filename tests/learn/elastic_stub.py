"""A stand-in for Elasticsearch over real HTTP: the product header, index templates, bulk, search, and being ill."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ElasticStub:
    """Documents by index and id, as the real one would store them."""

    def __init__(self, port: int = 0) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.templates: dict[str, Any] = {}
        self.ill = 0
        """Bulk requests that are answered with 429 before it is well again."""
        self.product = "Elasticsearch"
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0) or 0))
                status, found = stub.handle(self.command, self.path.split("?")[0], body)
                raw = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.elasticsearch+json;compatible-with=9")
                if stub.product:
                    self.send_header("X-Elastic-Product", stub.product)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_PUT = do_POST = do_HEAD = answer

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = int(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/":
            return 200, {"version": {"number": "9.1.0", "build_flavor": "default"}, "tagline": "You Know, for Search"}
        if path.startswith("/_index_template/") and method == "PUT":
            self.templates[path.rsplit("/", 1)[1]] = json.loads(body)
            return 200, {"acknowledged": True}
        if path == "/_bulk":
            return self.bulk(body)
        if path.endswith("/_search"):
            index = path.split("/")[1].rstrip("*")
            hits = [
                {"_index": name, "_id": key, "_source": one}
                for name, found in self.documents.items()
                if name.startswith(index)
                for key, one in found.items()
            ]
            return 200, {"hits": {"total": {"value": len(hits)}, "hits": hits}}
        return 404, {"error": path}

    def bulk(self, body: bytes) -> tuple[int, Any]:
        if self.ill > 0:
            self.ill -= 1
            return 429, {"error": {"type": "es_rejected_execution_exception"}, "status": 429}
        lines = [json.loads(line) for line in body.splitlines() if line]
        items: list[dict[str, Any]] = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            where = action["index"]
            if document.get("name") == "never":
                items.append({"index": {"status": 400, "error": {"type": "document_parsing_exception"}}})
                continue
            self.documents.setdefault(where["_index"], {})[where["_id"]] = document
            items.append({"index": {"status": 201, "_id": where["_id"]}})
        return 200, {"errors": any(int(item["index"]["status"]) >= 300 for item in items), "items": items, "took": 1}
