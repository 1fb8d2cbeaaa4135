"""The gate's keys, fetched when needed and kept fresh, and the memory of used tokens of one process."""
import json, threading, time, urllib.request
from cryptography.hazmat.primitives.asymmetric import ec
from verify import decode

class Keys:
    """`key_of(kid)`: an unknown kid causes no more than one fetch in `pause` seconds; old keys stand in for an hour."""

    def __init__(self, uri, pause=30):
        self.uri, self.pause, self.keys, self.good, self.tried = uri, pause, {}, 0, float("-inf")
        self.lock = threading.Lock()

    def key_of(self, kid):
        with self.lock:
            now = time.monotonic()
            pause = self.pause if self.keys else min(2, self.pause)
            if (kid not in self.keys or now - self.good > 300) and now - self.tried >= pause:
                self.tried = now
                try:
                    self.keys, self.good = self.fetch(), now
                except (OSError, ValueError, KeyError, TypeError):
                    if now - self.good > 3600:
                        self.keys = {}
            return self.keys.get(kid)

    def fetch(self):
        with urllib.request.urlopen(self.uri, timeout=3) as answer:
            found = json.loads(answer.read(262_144))["keys"]
        return {key["kid"]: public(key) for key in found if key.get("crv") == "P-256" and key.get("alg") == "ES256"}

class UsedTokens:
    """`first_use(txn, not_after)` for one process; copies of a service need one that they share."""

    def __init__(self, most=100_000):
        self.most, self.used, self.lock = most, {}, threading.Lock()

    def first_use(self, txn, not_after):
        with self.lock:
            now = time.time()
            while self.used and next(iter(self.used.values())) <= now:
                del self.used[next(iter(self.used))]
            if txn in self.used or len(self.used) >= self.most:
                return False
            self.used[txn] = not_after
            return True

def public(key):
    x, y = (int.from_bytes(decode(key[name]), "big") for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
