package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"clew": func() { os.Exit(mainCode()) }})
}

// TestScript runs testdata/script on the real main, each script with free ports
// in its environment: HTTP, GRPC, OTLP and ZIPKIN are addresses, CLEW_SERVER a URL.
//
//	answers CODE URL [NAME=VALUE]...   wait until URL, asked with these headers, answers with the code
//	stamp FILE                         replace @NOW@ and @NOW-5ms@ in it by Unix nanoseconds, @MICROS-5ms@ by microseconds
//	says URL REGEXP                   wait until the answer matches
//	post URL FILE [NAME=VALUE]...      send FILE as JSON
//	listen ADDRESS                     hold a port until the script ends
//	supervise PIDFILE COMMAND...       run a command, and again whenever it ends, until the script ends; all numbers are in PIDFILE.all
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"HTTP", "GRPC", "OTLP", "ZIPKIN"} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				env.Setenv(name, l.Addr().String())
				defer l.Close() // of each when all are chosen, so that no two are the same
			}
			env.Setenv("CLEW_SERVER", "http://"+env.Getenv("HTTP"))
			env.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"answers": scriptAnswers, "says": scriptSays, "stamp": scriptStamp, "post": scriptPost, "listen": scriptListen, "supervise": scriptSupervise},
	})
}

// scriptSays waits until what a URL answers matches a regular expression.
func scriptSays(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: says URL REGEXP")
	}
	want, last := regexp.MustCompile(args[1]), "no answer"
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(args[0])
		if err != nil {
			last = err.Error()
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		ts.Check(err)
		if want.Match(body) {
			return
		}
		last = string(body)
	}
	ts.Fatalf("%s does not say %s: %s", args[0], want, last)
}

func scriptAnswers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: answers CODE URL [NAME=VALUE]...")
	}
	last := "no answer"
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodGet, args[1], nil)
		ts.Check(err)
		setHeaders(ts, req, args[2:])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			last = err.Error()
			continue
		}
		resp.Body.Close()
		if strconv.Itoa(resp.StatusCode) == args[0] {
			return
		}
		last = resp.Status
	}
	ts.Fatalf("%s does not answer %s: %s", args[1], args[0], last)
}

// setHeaders sets NAME=VALUE pairs; @FILE at the end of a value stands for what the file holds.
func setHeaders(ts *testscript.TestScript, req *http.Request, pairs []string) {
	for _, h := range pairs {
		name, value, _ := strings.Cut(h, "=")
		if before, file, ok := strings.Cut(value, "@"); ok {
			value = before + strings.TrimSpace(ts.ReadFile(file))
		}
		req.Header.Set(name, value)
	}
}

var nowMark = regexp.MustCompile(`@(NOW|MICROS)([+-][^@]*)?@`)

func scriptStamp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stamp FILE")
	}
	now := time.Now()
	stamped := nowMark.ReplaceAllStringFunc(ts.ReadFile(args[0]), func(m string) string {
		parts := nowMark.FindStringSubmatch(m)
		shift, _ := time.ParseDuration(parts[2])
		if parts[1] == "MICROS" {
			return strconv.FormatInt(now.Add(shift).UnixMicro(), 10)
		}
		return strconv.FormatInt(now.Add(shift).UnixNano(), 10)
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(stamped), 0o644))
}

func scriptPost(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: post URL FILE [NAME=VALUE]...")
	}
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	setHeaders(ts, req, args[2:])
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	var answer bytes.Buffer
	answer.ReadFrom(resp.Body)
	fmt.Fprintf(ts.Stdout(), "%s %s\n", resp.Status, answer.String())
	if neg == (resp.StatusCode/100 == 2) {
		ts.Fatalf("%s answered %s: %s", args[0], resp.Status, answer.String())
	}
}

func scriptListen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listen ADDRESS")
	}
	l, err := net.Listen("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

func scriptSupervise(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: supervise PIDFILE COMMAND...")
	}
	path, program := ts.MkAbs(args[0]), ts.Getenv("PATH")
	all, err := os.Create(path + ".all")
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		defer all.Close()
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, args[1], args[2:]...)
			cmd.Dir, cmd.Env = ts.MkAbs("."), []string{"PATH=" + program, "HOME=" + ts.Getenv("HOME")}
			err := cmd.Start()
			if err == nil {
				_, err = fmt.Fprintln(all, cmd.Process.Pid)
				// The ledger reads a whole number or that of the process before.
				err = errors.Join(err, os.WriteFile(path+".new", []byte(strconv.Itoa(cmd.Process.Pid)), 0o600), os.Rename(path+".new", path))
			}
			if err != nil {
				ended <- err
				return
			}
			_ = cmd.Wait() // it is meant to be killed
		}
		ended <- nil
	}()
	ts.Defer(func() {
		cancel()
		if err := <-ended; err != nil {
			ts.Logf("supervise: %v", err)
		}
	})
}

// The commands of the README's quick start are those of quickstart.txtar, which runs.
func TestReadmeQuickStartIsAScript(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/quickstart.txtar")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(readme)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "bin/clew ")
		if !ok {
			continue
		}
		command, _, _ = strings.Cut(command, "  #")
		command = strings.TrimSpace(command)
		if command == "up" { // the script gives it ports of its own
			continue
		}
		lines++
		if !strings.Contains(string(script), "clew "+command+"\n") {
			t.Errorf("the README says %q, which testdata/script/quickstart.txtar does not run", "bin/clew "+command)
		}
	}
	if lines < 3 {
		t.Errorf("the README shows %d commands of clew; want a quick start", lines)
	}
}
