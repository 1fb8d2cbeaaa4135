"""A service behind the gate on Python's own HTTP server: GATE_URL=… TRUST_DOMAIN=… python3 service.py"""
import json, os, re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from jwks import Keys, UsedTokens
from verify import Refused, verify

gate = os.environ["GATE_URL"]
keys = Keys(os.environ.get("JWKS_URI", gate + "/.well-known/jwks.json"), float(os.environ.get("KEYS_PAUSE", "30")))
used = UsedTokens()

class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        self.serve("refunds.get_refund", r"/refunds/[^/?]+(\?.*)?")

    def do_POST(self):
        self.serve("refunds.create_refund", r"/refunds(\?.*)?")

    def serve(self, operation, form):
        # Not self.path: the server folds leading slashes, and the digest is of the path as it came.
        path = self.requestline.split(" ")[1]
        body = self.rfile.read(min(int(self.headers.get("content-length", 0)), 65536))
        if not re.fullmatch(form, path):
            return self.answer(404, {"error": "not_found"})
        # All values: get() would give the first of two.
        shown = ", ".join(self.headers.get_all("Txn-Token", []))
        try:
            claims = verify(
                shown, self.command, path, body, operation, issuer=gate, trust_domain=os.environ["TRUST_DOMAIN"],
                key_of=keys.key_of, first_use=used.first_use,
            )
        except Refused as refused:
            return self.answer(403, {"error": str(refused)})
        self.answer(200, {"txn": claims["txn"], "subject": claims["sub"], "agent": claims["req_wl"]})

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        """Says nothing: a request line may hold what belongs in no log."""

if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Service)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
