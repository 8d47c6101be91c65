package clew

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/clew-dev/clew/kit/go/internal/policy"
)

// Handler serves what the kit says about itself, and its local API, to callers on this machine only:
//
//	GET /          the Status as JSON
//	GET /metrics   all metrics as OpenMetrics text
//	PUT /policy    puts the policy document in the body in force, as ApplyPolicy does; Content-Type must be application/json
//
// Mount it with http.StripPrefix where it does not stand alone. A caller is on this machine when the connection comes from a loopback
// address and asks for one, or for localhost, by name: a page in a browser can do the first, not the second.
func (k *Kit) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", k.serveStatus)
	mux.Handle("GET /metrics", k.Metrics())
	mux.HandleFunc("PUT /policy", k.servePolicy)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !local(r) {
			http.Error(w, "clew: only callers on this machine are answered", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func local(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return false
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}

func (k *Kit) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(k.Status()) // The caller has gone.
}

func (k *Kit) servePolicy(w http.ResponseWriter, r *http.Request) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/json" {
		http.Error(w, "apply policy: the Content-Type is not application/json", http.StatusUnsupportedMediaType)
		return
	}
	document, err := io.ReadAll(http.MaxBytesReader(w, r.Body, policy.MaxBytes+1))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		http.Error(w, "apply policy: the document is over 256 KiB", http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, "apply policy: the body broke off", http.StatusBadRequest)
	default:
		if err := k.ApplyPolicy(document); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
