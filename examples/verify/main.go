// A service behind the gate in Go: GATE_URL=… TRUST_DOMAIN=… go run .
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	gate, uri := os.Getenv("GATE_URL"), os.Getenv("JWKS_URI")
	if uri == "" {
		uri = gate + "/.well-known/jwks.json"
	}
	pause, err := time.ParseDuration(os.Getenv("KEYS_PAUSE") + "s")
	if err != nil {
		pause = 30 * time.Second
	}
	keys, used := &Keys{URI: uri, Pause: pause}, &UsedTokens{}
	verifier := &Verifier{gate, os.Getenv("TRUST_DOMAIN"), keys.KeyOf, used.FirstUse, 5}
	http.HandleFunc("POST /refunds", verified(verifier, "refunds.create_refund"))
	http.HandleFunc("GET /refunds/{id}", verified(verifier, "refunds.get_refund"))
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	panic(http.Serve(listener, nil))
}

func verified(verifier *Verifier, operation string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 65536))
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		// All values: Get would give the first of two. RequestURI is the path as it came; r.URL.Path is not.
		shown := strings.Join(r.Header.Values("Txn-Token"), ", ")
		claims, err := verifier.Verify(shown, r.Method, r.RequestURI, body, operation)
		if err != nil {
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(object{"error": err.Error()})
			return
		}
		json.NewEncoder(w).Encode(object{"txn": claims["txn"], "subject": claims["sub"], "agent": claims["req_wl"]})
	}
}
