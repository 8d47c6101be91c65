package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// fleetKits is how many processes wait for the policy.
const fleetKits = 200

// fleet measures how long a change of the charter takes to reach the kits of a fleet:
// from the moment its file is written until the last of 200 processes, which ask as
// kits do and have a connection each, has the new policy.
func (b *bench) fleet(ctx context.Context) error {
	b.say("a change of the charter on its way to %d kits", fleetKits)
	folder := filepath.Join(b.folder, "fleet-charter")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	files := largeCharter()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	data := filepath.Join(b.folder, "fleet")
	p, err := startClew(ctx, b.clew, data, "--charter", folder)
	if err != nil {
		return err
	}
	defer os.RemoveAll(data)
	defer p.stop()

	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	type news struct {
		kit  int
		etag string
		err  error
	}
	arrived := make(chan news, 2*fleetKits)
	for i := range fleetKits {
		go func() {
			k := kit{client: &http.Client{Transport: &http.Transport{}}, base: p.base, n: i}
			defer k.client.CloseIdleConnections()
			for ctx.Err() == nil {
				changed, err := k.ask(ctx)
				if err != nil {
					arrived <- news{i, "", err}
					return
				}
				if changed {
					arrived <- news{kit: i, etag: k.etag}
				}
			}
		}()
	}
	everyone := func() error {
		seen := map[int]bool{}
		for len(seen) < fleetKits {
			select {
			case n := <-arrived:
				if n.err != nil {
					return n.err
				}
				seen[n.kit] = true
			case <-ctx.Done():
				return fmt.Errorf("a change reached %d of %d kits: %w", len(seen), fleetKits, ctx.Err())
			}
		}
		return nil
	}
	if err := everyone(); err != nil { // what is in force at the start
		return err
	}
	var t timings
	for n := range b.repeats + 2 {
		time.Sleep(500 * time.Millisecond) // until all of them wait again
		text := fmt.Sprintf("%skits: { sampling: { ratio: 1/%d } }\n", files["charter.yaml"], n+2)
		next := filepath.Join(b.folder, "next.yaml")
		if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
			return err
		}
		begin := time.Now()
		if err := os.Rename(next, filepath.Join(folder, "charter.yaml")); err != nil {
			return err
		}
		if err := everyone(); err != nil {
			return errors.Join(err, errors.New(tailOf(p.log)))
		}
		t = append(t, time.Since(begin))
	}
	b.add(row{id: "charter.kits", what: fmt.Sprintf("a change of the charter is with all of %d kits", fleetKits), value: millis(t.median()), unit: "ms", must: 5000, aim: 1000, runs: t.millis(),
		note: "of a charter of 1,000 attributes, from its file to the last answer; each kit has a connection of its own"})
	return nil
}

// kit asks for its policy as a process of the fleet does.
type kit struct {
	client *http.Client
	base   string
	n      int
	etag   string
}

// ask waits for a policy other than the one that the kit has; false when there was none.
func (k *kit) ask(ctx context.Context) (changed bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/api/kit/policy?service=service-%d&wait=30s", k.base, k.n%100), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("If-None-Match", k.etag)
	req.Header.Set("Clew-Kit", fmt.Sprintf(`{"service":"service-%d","instance":"%d","language":"go"}`, k.n%100, k.n))
	resp, err := k.client.Do(req)
	if err != nil {
		return false, fmt.Errorf("kit %d: %w", k.n, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return false, fmt.Errorf("kit %d: %w", k.n, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		k.etag = resp.Header.Get("ETag")
		return true, nil
	case http.StatusNotModified:
		return false, nil
	}
	return false, fmt.Errorf("kit %d: %s", k.n, resp.Status)
}
