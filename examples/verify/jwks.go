package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Keys are the gate's, fetched when needed and kept fresh. An unknown key id causes no more than one fetch in Pause; old
// keys stand in for an hour.
type Keys struct {
	URI         string
	Pause       time.Duration
	mutex       sync.Mutex
	keys        map[string]*ecdsa.PublicKey
	good, tried time.Time
}

func (k *Keys) KeyOf(kid string) *ecdsa.PublicKey {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	pause := k.Pause
	if len(k.keys) == 0 {
		pause = min(pause, 2*time.Second)
	}
	if (k.keys[kid] == nil || time.Since(k.good) > 5*time.Minute) && time.Since(k.tried) >= pause {
		k.tried = time.Now()
		if keys, err := k.fetch(); err == nil {
			k.keys, k.good = keys, k.tried
		} else if time.Since(k.good) > time.Hour {
			k.keys = nil
		}
	}
	return k.keys[kid]
}

func (k *Keys) fetch() (map[string]*ecdsa.PublicKey, error) {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get(k.URI)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var set struct {
		Keys []struct{ Kid, Alg, Crv, X, Y string }
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the JWKS was answered %d", response.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 262_144)).Decode(&set); err != nil {
		return nil, err
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, key := range set.Keys {
		x, xErr := base64url.DecodeString(key.X)
		y, yErr := base64url.DecodeString(key.Y)
		if key.Alg == "ES256" && key.Crv == "P-256" && xErr == nil && yErr == nil {
			keys[key.Kid] = &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(x), Y: number(y)}
		}
	}
	return keys, nil
}

// UsedTokens remembers for one process; copies of a service need one that they share.
type UsedTokens struct {
	mutex sync.Mutex
	used  map[string]time.Time
}

const usedMax = 100_000

func (u *UsedTokens) FirstUse(txn string, notAfter time.Time) bool {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if len(u.used) >= usedMax {
		for old, until := range u.used {
			if until.Before(time.Now()) {
				delete(u.used, old)
			}
		}
	}
	if until, there := u.used[txn]; (there && until.After(time.Now())) || len(u.used) >= usedMax {
		return false
	}
	if u.used == nil {
		u.used = map[string]time.Time{}
	}
	u.used[txn] = notAfter
	return true
}
