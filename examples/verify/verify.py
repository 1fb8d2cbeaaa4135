"""Verifies the Txn-Tokens of a Tollgate gate, for a service in Python; it needs `cryptography` alone.

Method, path with query and body must be as they came over the wire, and `operation` what your route is: never what the
token says. The reason of a refusal is the one that tollgate/verify gives.
"""
import base64, hashlib, json, re, time
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

class Refused(Exception):
    """str() is the reason."""

def verify(token, method, path_with_query, body, operation, *, issuer, trust_domain, key_of, first_use, tolerance=5):
    """The claims; raises Refused. `key_of(kid)` gives a key or None, `first_use(txn, not_after)` is true once a txn."""
    need(token, "token_missing")
    need(len(token) <= 16384, "token_too_large")
    try:
        head, payload, end = token.split(".")
        header, claims = (json.loads(decode(part).decode(), object_pairs_hook=unique) for part in (head, payload))
        signature = decode(end)
    except (ValueError, RecursionError):
        raise Refused("token_malformed") from None
    need(isinstance(header, dict) and isinstance(claims, dict), "token_malformed")
    need(not header.keys() & {"crit", "b64", "jwk"}, "header_not_allowed")
    alg, typ, kid = (header.get(name) for name in ("alg", "typ", "kid"))
    need(text(typ) and typ.lower() in ("txntoken+jwt", "application/txntoken+jwt"), "token_kind")
    need(text(kid) and re.fullmatch(r"[A-Za-z0-9_-]+\.txn\.[A-Za-z0-9_-]+", kid), "token_kind")
    need(alg == "ES256", "alg_not_allowed")
    key = key_of(kid)
    need(key, "key_unknown")
    need(len(signature) == 64, "signature_invalid")
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        key.verify(utils.encode_dss_signature(r, s), f"{head}.{payload}".encode(), ec.ECDSA(SHA256()))
    except InvalidSignature:
        raise Refused("signature_invalid") from None

    now, tctx, aud, nbf = time.time(), claims.get("tctx"), claims.get("aud"), claims.get("nbf", 0)
    need(claims.keys() >= {"iss", "sub", "aud", "iat", "exp", "txn", "scope", "req_wl", "act", "tctx"}, "claim_missing")
    need(isinstance(tctx, dict) and "sent_digest" in tctx, "claim_missing")
    iss, sub, iat, exp, txn, scope, agent = (claims[n] for n in ("iss", "sub", "iat", "exp", "txn", "scope", "req_wl"))
    need(text(iss, 2048) and text(sub) and (text(aud, 2048) or isinstance(aud, list)), "claim_invalid")
    need(iss == issuer, "issuer_unknown")
    need(trust_domain in (aud if isinstance(aud, list) else [aud]), "audience_wrong")
    need(all(type(at) is int and at >= 0 for at in (iat, exp, nbf)), "claim_invalid")
    need(now < exp + tolerance, "token_expired")
    need(max(iat, nbf) <= now + tolerance, "token_not_yet_valid")
    need(max(iat, nbf) < exp, "claim_invalid")
    need(exp - iat <= 60, "token_lifetime")
    ids = [txn, agent, *(tctx.get(name) for name in ("task_id", "root_task_id", "agent_issuer")), *actors(claims["act"])]
    need(all(map(text, ids)) and claims["act"]["sub"] == agent, "claim_invalid")
    need(text(tctx.get("purpose"), 1024) and text(tctx.get("operation"), 1024), "claim_invalid")
    need(tctx.get("subject_assurance") in ("verified", "asserted", "none"), "claim_invalid")
    need(scope == operation and tctx["operation"] == operation, "operation_wrong")
    sent = hashlib.sha256(f"{method.upper()} {path_with_query}\n".encode() + (body or b"")).digest()
    need(tctx["sent_digest"] == base64.urlsafe_b64encode(sent).rstrip(b"=").decode(), "request_changed")
    # Last, so that what fails another check does not spend the token; remembered until no copy takes it any more.
    need(first_use(txn, exp + 3 * tolerance), "token_replayed")
    return claims

def need(holds, reason):
    if not holds:
        raise Refused(reason)

def decode(part):
    """Canonical base64url only: what Python's decoder skips over is refused."""
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    need(base64.urlsafe_b64encode(data).rstrip(b"=").decode() == part, "token_malformed")
    return data

def unique(pairs):
    need(len(dict(pairs)) == len(pairs), "token_malformed")
    return dict(pairs)

def text(value, most=255):
    return isinstance(value, str) and 0 < len(value) <= most and not re.search(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]", value)

def actors(act):
    """The agent, and those it works for (RFC 8693 section 4.1)."""
    while True:
        need(isinstance(act, dict), "claim_invalid")
        yield act.get("sub")
        if "act" not in act:
            return
        act = act["act"]
