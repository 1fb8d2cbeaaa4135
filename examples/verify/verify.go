// Verifies the Txn-Tokens of a Tollgate gate, for a service in Go; the standard library is enough.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Refused is why a token is not accepted: the reason that tollgate/verify gives.
type Refused string

func (r Refused) Error() string { return string(r) }

// Verifier says whose tokens are taken. KeyOf gives nil for an unknown key id; FirstUse is true once for a txn.
type Verifier struct {
	Issuer, TrustDomain string
	KeyOf               func(kid string) *ecdsa.PublicKey
	FirstUse            func(txn string, notAfter time.Time) bool
	Tolerance           float64 // seconds
}

type object = map[string]any

type check struct {
	holds  bool
	reason Refused
}

var txnKid = regexp.MustCompile(`^[A-Za-z0-9_-]+\.txn\.[A-Za-z0-9_-]+$`)
var base64url = base64.RawURLEncoding.Strict()

// Verify gives the claims, or a Refused. Method, path with query and body are as they came over the wire; operation is
// what your route is, never what the token says.
func (v *Verifier) Verify(token, method, pathWithQuery string, body []byte, operation string) (object, error) {
	parts := strings.Split(token, ".")
	if err := first(check{token != "", "token_missing"}, check{len(token) <= 16384, "token_too_large"},
		check{len(parts) == 3, "token_malformed"}); err != nil {
		return nil, err
	}
	header, claims := decode(parts[0]), decode(parts[1])
	signature, err := base64url.DecodeString(parts[2])
	if header == nil || claims == nil || err != nil {
		return nil, Refused("token_malformed")
	}
	kid, typ := text(header, "kid", 255), strings.ToLower(text(header, "typ", 255))
	if err := first(check{!has(header, "crit") && !has(header, "b64") && !has(header, "jwk"), "header_not_allowed"},
		check{strings.TrimPrefix(typ, "application/") == "txntoken+jwt" && txnKid.MatchString(kid), "token_kind"},
		check{header["alg"] == "ES256", "alg_not_allowed"}); err != nil {
		return nil, err
	}
	key := v.KeyOf(kid)
	if key == nil {
		return nil, Refused("key_unknown")
	}
	signed := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(signature) != 64 || !ecdsa.Verify(key, signed[:], number(signature[:32]), number(signature[32:])) {
		return nil, Refused("signature_invalid")
	}

	now := float64(time.Now().UnixMilli()) / 1000
	tctx, _ := claims["tctx"].(object)
	act, _ := claims["act"].(object)
	audiences, isList := claims["aud"].([]any)
	iat, exp, nbf := second(claims, "iat"), second(claims, "exp"), 0.0
	if has(claims, "nbf") {
		nbf = second(claims, "nbf")
	}
	sent := sha256.Sum256(append([]byte(strings.ToUpper(method)+" "+pathWithQuery+"\n"), body...))
	txn, agent := text(claims, "txn", 255), text(claims, "req_wl", 255)
	assurance := []any{"verified", "asserted", "none"}
	if err := first(
		check{has(claims, "iss", "sub", "aud", "iat", "exp", "txn", "scope", "req_wl", "act", "tctx"), "claim_missing"},
		check{has(tctx, "sent_digest"), "claim_missing"},
		check{text(claims, "iss", 2048) != "" && text(claims, "sub", 255) != "", "claim_invalid"},
		check{text(claims, "aud", 2048) != "" || isList, "claim_invalid"},
		check{claims["iss"] == v.Issuer, "issuer_unknown"},
		check{claims["aud"] == v.TrustDomain || slices.Contains(audiences, any(v.TrustDomain)), "audience_wrong"},
		check{iat >= 0 && exp >= 0 && nbf >= 0, "claim_invalid"},
		check{now < exp+v.Tolerance, "token_expired"},
		check{max(iat, nbf) <= now+v.Tolerance, "token_not_yet_valid"},
		check{max(iat, nbf) < exp, "claim_invalid"},
		check{exp-iat <= 60, "token_lifetime"},
		check{txn != "" && agent != "" && act["sub"] == agent && isChain(act), "claim_invalid"},
		check{text(tctx, "task_id", 255) != "" && text(tctx, "root_task_id", 255) != "", "claim_invalid"},
		check{text(tctx, "agent_issuer", 255) != "" && text(tctx, "purpose", 1024) != "", "claim_invalid"},
		check{text(tctx, "operation", 1024) != "", "claim_invalid"},
		check{slices.Contains(assurance, tctx["subject_assurance"]), "claim_invalid"},
		check{claims["scope"] == operation && tctx["operation"] == operation, "operation_wrong"},
		check{tctx["sent_digest"] == base64url.EncodeToString(sent[:]), "request_changed"},
	); err != nil {
		return nil, err
	}
	// Last, so that what fails another check does not spend the token; remembered until no copy takes it any more.
	if !v.FirstUse(txn, time.UnixMilli(int64(1000*(exp+3*v.Tolerance)))) {
		return nil, Refused("token_replayed")
	}
	return claims, nil
}

func first(checks ...check) error {
	for _, c := range checks {
		if !c.holds {
			return c.reason
		}
	}
	return nil
}

func decode(part string) (value object) {
	data, err := base64url.DecodeString(part)
	if err != nil || !utf8.Valid(data) || json.Unmarshal(data, &value) != nil {
		return nil
	}
	if !unique(json.NewDecoder(bytes.NewReader(data))) {
		return nil
	}
	return value
}

// unique tells whether no object has two members of one name, of which two readers could take different ones.
func unique(reader *json.Decoder) bool {
	token, err := reader.Token()
	open, nested := token.(json.Delim)
	names := map[any]bool{}
	for nested && reader.More() {
		if open == '{' {
			name, _ := reader.Token()
			if names[name] {
				return false
			}
			names[name] = true
		}
		if !unique(reader) {
			return false
		}
	}
	if nested {
		_, err = reader.Token()
	}
	return err == nil
}

func has(from object, names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { _, there := from[name]; return !there })
}

// text gives the empty string, which is no text, for whatever is not plain text of at most that length.
func text(from object, name string, most int) string {
	value, _ := from[name].(string)
	if utf8.RuneCountInString(value) > most || strings.ContainsFunc(value, unicode.IsControl) {
		return ""
	}
	return value
}

func second(from object, name string) float64 {
	if value, ok := from[name].(float64); ok && value == math.Trunc(value) {
		return value
	}
	return -1
}

// isChain walks the agents that the agent works for (RFC 8693 section 4.1).
func isChain(act object) bool {
	for text(act, "sub", 255) != "" {
		if !has(act, "act") {
			return true
		}
		act, _ = act["act"].(object)
	}
	return false
}

func number(data []byte) *big.Int { return new(big.Int).SetBytes(data) }
