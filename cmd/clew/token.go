package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/clew-dev/clew/internal/auth"
	"github.com/clew-dev/clew/internal/node"
)

// stateFile is the file of tokens within a data folder.
const stateFile = "state.db"

const tokenPlace = `It works on the data folder itself, not through a server: run it on the
server's machine as the server's user. A running server sees the change within
a second.`

func tokenFlags(more ...flagDef) []flagDef {
	return append(more,
		flagDef{name: "data", value: "FOLDER", def: "./clew-data", help: "The data folder of the server."},
		flagDef{name: "json", kind: toggle, help: "Print the result as JSON instead of text."})
}

func tokenCreateCommand() *command {
	return &command{
		name:  "token create",
		short: "make an access token and print it once",
		long: `Makes a token for one tenant and prints it. Only a hash of it is kept, so it
cannot be printed again. While no token has ever been made, whoever can reach
the loopback address may read and write; from the first token on, every sender
and reader needs one.

` + tokenPlace,
		flags: tokenFlags(
			flagDef{name: "name", value: "NAME", help: "What the token is for; it must be new. Needed."},
			flagDef{name: "tenant", value: "TENANT", def: auth.DefaultTenant, help: "The tenant whose spans it reads and writes. Of clew, which holds the spans of Clew's own work, with --role read only."},
			flagDef{name: "role", kind: choice, value: "ROLE", def: "read-write", choices: []string{"read-write", "read", "write", "admin"},
				help: "What it may do: read asks, write sends, admin does both and acts on the server as a whole."}),
		examples: []example{{"clew token create --name collector --role write > token.txt", "a token for the senders"}},
		run:      runTokenCreate,
	}
}

func tokenListCommand() *command {
	return &command{
		name:     "token list",
		short:    "list access tokens, without their secrets",
		long:     "Lists every token that was made, revoked ones included.\n\n" + tokenPlace,
		flags:    tokenFlags(),
		examples: []example{{"clew token list --data /var/lib/clew", "who may come in"}},
		run:      runTokenList,
	}
}

func tokenRevokeCommand() *command {
	return &command{
		name: "token revoke", args: "ID", minArgs: 1, maxArgs: 1,
		short:    "end an access token",
		long:     "Ends the token with that id or name. Revoking the last one does not open the\nserver again.\n\n" + tokenPlace,
		flags:    tokenFlags(),
		examples: []example{{"clew token revoke collector", "let it in no longer"}},
		run:      runTokenRevoke,
	}
}

// openState opens the state file of a data folder that is there already, so that
// a misspelled folder is an error instead of an empty one. create makes the folder.
func openState(ctx context.Context, in *invocation, create bool) (*auth.State, error) {
	data := in.str("data")
	if create {
		if err := os.MkdirAll(data, 0o700); err != nil {
			return nil, fmt.Errorf("make the data folder: %w", err)
		}
	} else if _, err := os.Stat(filepath.Join(data, stateFile)); err != nil {
		if os.IsNotExist(err) {
			return nil, fmt.Errorf("no token was ever made in %s; name the server's folder with --data", data)
		}
		return nil, fmt.Errorf("open the data folder: %w", err)
	}
	return auth.Open(ctx, filepath.Join(data, stateFile), auth.Options{})
}

func runTokenCreate(ctx context.Context, in *invocation) (err error) {
	if !in.given["name"] {
		return in.usage("--name is missing: say what the token is for")
	}
	// Reading is how somebody looks at Clew's own traces; writing would mix others with them.
	if in.str("tenant") == node.SelfTenant && in.str("role") != "read" {
		return in.usage("--tenant: %s holds the spans of Clew's own work, which nobody else writes; write --role read, or name another tenant", node.SelfTenant)
	}
	state, err := openState(ctx, in, true)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, state.Close()) }()
	roles := []auth.Role{auth.Role(in.str("role"))}
	switch in.str("role") {
	case "read-write":
		roles = []auth.Role{auth.RoleRead, auth.RoleWrite}
	case "admin":
		roles = auth.Roles()
	}
	t, secret, err := state.Create(ctx, auth.NewToken{Tenant: in.str("tenant"), Name: in.str("name"), Roles: roles})
	if err != nil {
		return err
	}
	if in.on("json") {
		return json.NewEncoder(in.std.out).Encode(struct {
			tokenRow
			Token string `json:"token"`
		}{rowOf(t), secret})
	}
	// The token alone goes to the standard output, ready for a file.
	fmt.Fprintf(in.std.err, "Token %s for tenant %s, changed in %s. It is shown once:\n", t.ID, t.Tenant, in.str("data"))
	_, err = fmt.Fprintln(in.std.out, secret)
	return err
}

func firstError(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// tokenRow is a token in JSON.
type tokenRow struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Tenant  string      `json:"tenant"`
	Roles   []auth.Role `json:"roles"`
	Created string      `json:"created"`
	Revoked string      `json:"revoked,omitempty"`
}

func rowOf(t auth.Token) tokenRow {
	r := tokenRow{ID: t.ID, Name: t.Name, Tenant: t.Tenant, Roles: t.Roles, Created: t.Created.Format(time.RFC3339)}
	if !t.Revoked.IsZero() {
		r.Revoked = t.Revoked.Format(time.RFC3339)
	}
	return r
}

func runTokenList(ctx context.Context, in *invocation) (err error) {
	state, err := openState(ctx, in, false)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, state.Close()) }()
	tokens, err := state.List(ctx)
	if err != nil {
		return err
	}
	rows := make([]tokenRow, len(tokens))
	t := newTable("ID", "NAME", "TENANT", "ROLES", "CREATED", "STATE")
	for i, tok := range tokens {
		rows[i] = rowOf(tok)
		state := "valid"
		if rows[i].Revoked != "" {
			state = "revoked " + rows[i].Revoked
		}
		roles := ""
		for j, r := range tok.Roles {
			if j > 0 {
				roles += ","
			}
			roles += string(r)
		}
		t.add(tok.ID, clean(tok.Name), tok.Tenant, roles, rows[i].Created, state)
	}
	if in.on("json") {
		return json.NewEncoder(in.std.out).Encode(struct {
			Tokens []tokenRow `json:"tokens"`
		}{rows})
	}
	return t.write(newScreen(in))
}

func runTokenRevoke(ctx context.Context, in *invocation) (err error) {
	state, err := openState(ctx, in, false)
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, state.Close()) }()
	if err := state.Revoke(ctx, in.args[0]); err != nil {
		return err
	}
	if in.on("json") {
		return json.NewEncoder(in.std.out).Encode(map[string]string{"revoked": in.args[0]})
	}
	_, err = fmt.Fprintf(in.std.out, "revoked %s in %s\n", clean(in.args[0]), in.str("data"))
	return err
}
