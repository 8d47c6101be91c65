package main

import (
	"encoding/json"

	"github.com/clew-dev/clew/kit/go/internal/logline/logcase"
	"github.com/clew-dev/clew/kit/go/internal/resource"
	"github.com/clew-dev/clew/kit/go/internal/sanitise"
)

// resources describes a service. Files and variables that the case does not name
// are not there.
func resources(f *fields) any {
	env, files := f.object("env"), f.object("files")
	attrs, problem := resource.Read(resource.Inputs{
		Env: env.text, File: files.text,
		Name: f.text("service"), Version: f.text("version"), Instance: f.text("instance"), Executable: f.text("executable"),
		PID: f.int("pid"), Host: f.text("host"), Arch: f.text("arch"), OS: f.text("os"), Language: f.text("language"),
		Runtime: f.text("runtime"), RuntimeVersion: f.text("runtime_version"), KitVersion: f.text("kit_version"),
	})
	values, fromEnv := object{}, []any{}
	for _, a := range attrs {
		if a.IsInt {
			values[a.Key] = a.Int
		} else {
			values[a.Key] = a.Text
		}
		if a.Env {
			fromEnv = append(fromEnv, a.Key)
		}
	}
	return object{"attributes": values, "env": fromEnv, "problem": problem}
}

func sanitiseURL(f *fields) any { return object{"text": sanitise.URL(f.text("text"))} }

func sanitiseQuery(f *fields) any { return object{"text": sanitise.Query(f.text("text"))} }

func sanitiseSQL(f *fields) any {
	s := sanitise.SQL(f.text("system"), f.text("text"))
	return object{"text": s.Text, "summary": s.Summary, "operation": s.Operation, "collection": s.Collection}
}

// logs writes a line and a record, as kit/contract/logs.py describes the case.
func logs(f *fields) any {
	text, err := json.Marshal(get[map[string]any](f, "case"))
	if err != nil {
		f.fail("case")
		return nil
	}
	line, record, err := logcase.Write(text)
	if err != nil {
		f.fail("case")
	}
	return object{"line": line, "record": record}
}
