package launch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/clew-dev/clew/examples/shop/internal/fleet"
)

// The control address, on loopback like everything:
//
//	GET    /faults         [{"name","effect","on"}]
//	PUT    /faults/{name}  switches a fault on
//	DELETE /faults/{name}  switches it off
//	GET    /members        [{"name","language","address","state","pid","restarts"}]

// FaultState is one fault and whether it is on.
type FaultState struct {
	Name   string `json:"name"`
	Effect string `json:"effect"`
	On     bool   `json:"on"`
}

// MemberState is one member and how it is. State is starting, ready, waiting
// (for its next start) or stopped.
type MemberState struct {
	Name     string `json:"name"`
	Language string `json:"language"`
	Address  string `json:"address,omitempty"`
	State    string `json:"state"`
	PID      int    `json:"pid,omitempty"`
	Restarts int    `json:"restarts"`
}

func (l *launcher) listenControl() (io.Closer, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(l.options.BasePort)))
	if err != nil {
		return nil, fmt.Errorf("listen for control: %w; is a shop open already? choose another --base-port", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) { fleet.Answer(w, http.StatusOK, l.faults()) })
	mux.HandleFunc("PUT /faults/{name}", func(w http.ResponseWriter, r *http.Request) { l.answerFault(w, r.PathValue("name"), true) })
	mux.HandleFunc("DELETE /faults/{name}", func(w http.ResponseWriter, r *http.Request) { l.answerFault(w, r.PathValue("name"), false) })
	mux.HandleFunc("GET /members", func(w http.ResponseWriter, _ *http.Request) { fleet.Answer(w, http.StatusOK, l.members()) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		// It ends with an error that only says that it was closed.
		_ = server.Serve(listener)
	}()
	return server, nil
}

func (l *launcher) faults() []FaultState {
	var states []FaultState
	for _, fault := range fleet.Faults() {
		path, err := fleet.FaultPath(l.options.Data, fault.Name)
		if err == nil {
			_, err = os.Stat(path)
		}
		states = append(states, FaultState{Name: fault.Name, Effect: fault.Effect, On: err == nil})
	}
	return states
}

func (l *launcher) answerFault(w http.ResponseWriter, name string, on bool) {
	path, err := fleet.FaultPath(l.options.Data, name)
	if err != nil {
		fleet.Answer(w, http.StatusNotFound, map[string]string{"error": err.Error()})
		return
	}
	if on {
		err = os.WriteFile(path, nil, 0o644)
	} else if err = os.Remove(path); os.IsNotExist(err) {
		err = nil
	}
	if err != nil {
		fleet.Answer(w, http.StatusInternalServerError, map[string]string{"error": err.Error()})
		return
	}
	word := map[bool]string{true: "on", false: "off"}[on]
	l.say("fault %s is %s", name, word)
	fleet.Answer(w, http.StatusOK, l.faults())
}

func (l *launcher) members() []MemberState {
	var states []MemberState
	for _, p := range l.processes {
		p.mu.Lock()
		state := MemberState{
			Name: p.member.Name, Language: string(p.member.Language),
			State: p.state, PID: p.pid, Restarts: p.restarts,
		}
		p.mu.Unlock()
		if p.member.Port != 0 {
			state.Address = l.address(p.member.Name)
		}
		states = append(states, state)
	}
	return states
}

// Control speaks to the launcher of a running fleet.
type Control struct {
	// BasePort is the fleet's.
	BasePort int
}

// Faults lists every fault.
func (c Control) Faults(ctx context.Context) ([]FaultState, error) {
	var states []FaultState
	return states, c.call(ctx, http.MethodGet, "/faults", &states)
}

// Switch turns a fault on or off; it acts on the next request.
func (c Control) Switch(ctx context.Context, name string, on bool) error {
	method := http.MethodDelete
	if on {
		method = http.MethodPut
	}
	var states []FaultState
	return c.call(ctx, method, "/faults/"+name, &states)
}

// Members lists every member.
func (c Control) Members(ctx context.Context) ([]MemberState, error) {
	var states []MemberState
	return states, c.call(ctx, http.MethodGet, "/members", &states)
}

func (c Control) call(ctx context.Context, method, path string, into any) error {
	address := "http://127.0.0.1:" + strconv.Itoa(c.BasePort)
	request, err := http.NewRequestWithContext(ctx, method, address+path, nil)
	if err != nil {
		return fmt.Errorf("ask the launcher: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask the launcher at %s: %w; is the shop open?", address, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		var refusal struct {
			Error string `json:"error"`
		}
		if err := json.NewDecoder(response.Body).Decode(&refusal); err != nil {
			return fmt.Errorf("ask the launcher: %s", response.Status)
		}
		return fmt.Errorf("%s", refusal.Error)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("read the launcher's answer: %w", err)
	}
	return nil
}
