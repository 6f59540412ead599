package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/config"
	"github.com/shadowgpio/shadowgpio/component/internal/tools/schematest"
)

func TestFilesAreUpToDate(t *testing.T) {
	files, err := made("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, renew := range files {
		present, err := os.ReadFile(filepath.Join("../../../..", name))
		if err != nil {
			t.Error(err)
			continue
		}
		want, err := renew(present)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(present, want) {
			t.Errorf("%s is not what the code declares: run go generate ./component/...", name)
		}
	}
}

// TestReferenceShowsAll finds a table and a heading of every object, and every key in it.
func TestReferenceShowsAll(t *testing.T) {
	text, err := os.ReadFile("../../../docs/use/CONFIGURATION.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, found := range region.FindAllSubmatch(text, -1) {
		shown[string(found[2])] = string(found[0])
	}
	for _, o := range objects(config.Configuration()) {
		table, ok := shown[o.Name]
		if !ok {
			t.Errorf("no table of %s", o.Name)
		}
		for _, k := range o.Keys {
			if !regexp.MustCompile("(?m)^\\| `" + k.Name + "` \\|.*" + regexp.QuoteMeta(k.Doc)).MatchString(table) {
				t.Errorf("the table of %s does not explain %s", o.Name, k.Name)
			}
			if k.Doc == "" {
				t.Errorf("%s of %s is not explained", k.Name, o.Name)
			}
		}
		if o.Name != "configuration" && !regexp.MustCompile(`(?m)^##+ `+o.Name+`$`).Match(text) {
			t.Errorf("no heading %s, to which tables point", o.Name)
		}
	}
	for _, v := range []string{"kinds of property"} {
		if shown[v] == "" {
			t.Errorf("no table of %s", v)
		}
	}
}

func TestFillTablesNamesWhatItCannotFill(t *testing.T) {
	if _, err := fillTables([]byte("<!-- table: nonsense -->\n<!-- end -->"), tables()); err == nil {
		t.Error("an unknown table was filled")
	}
	filled, err := fillTables([]byte("a\n<!-- table: codes -->\nold\n<!-- end -->\nb"), tables())
	if err != nil || bytes.Contains(filled, []byte("old")) || !bytes.Contains(filled, []byte("| 409 |")) || !bytes.HasSuffix(filled, []byte("<!-- end -->\nb")) {
		t.Errorf("got %v, %s", err, filled)
	}
}

func TestShadowSchema(t *testing.T) {
	schema := schematest.Load(t, "shadow")
	for _, c := range []struct {
		name, reported string
		ok             bool
	}{
		{"nothing", `{}`, true},
		{"values", `{"lights": "on", "locked": true, "visits": 3, "used": "2026-01-02T03:04:05.000Z"}`, true},
		{"answers", `{"ack": {"lights": {"code": 200, "version": 3}, "no such": {"code": 404, "version": 3, "reason": "no such property"}}}`, true},
		{"status", `{"status": {"running": true, "since": "2026-01-02T03:04:05Z", "version": "1.0.0", "faults": {"lamp": "busy"}}}`, true},
		{"a setting with members", `{"band": {"low": 5, "mode": "eco"}}`, true},
		{"a schedule", `{"cups": {"zone": "Europe/Berlin", "missed": "last", "grace": "2h", "entries": [
			{"at": "06:30", "days": ["mon-fri"], "set": "on"}, {"once": "2026-11-24T06:30", "set": false}, {"cron": "0 8 1 * *", "set": "off"}],
			"next": {"at": "2026-11-24T05:30:00Z", "set": "on"}, "last": {"at": "2026-11-23T05:30:00Z", "set": "on"}, "over": {"2026-11-22T06:30": "missed"}}}`, true},
		{"a schedule that waits", `{"cups": {"entries": [], "waits": "the clock is not set", "next": null}}`, true},
		{"an unknown member of a schedule", `{"cups": {"entries": [], "then": {"at": "x"}}}`, false},
		{"objects in an object", `{"band": {"low": {"min": 5}}}`, false},
		{"a list for a value", `{"band": [1, 2]}`, false},
		{"a name that is none", `{"li ghts": true}`, false},
		{"a reserved name", `{"state": true}`, false},
		{"a null that met nothing to delete", `{"lights": null}`, true},
		{"an unknown code", `{"ack": {"lights": {"code": 201, "version": 3}}}`, false},
		{"an answer without version", `{"ack": {"lights": {"code": 200}}}`, false},
		{"an unknown member of an answer", `{"ack": {"lights": {"code": 200, "version": 3, "at": 5}}}`, false},
		{"a status without version", `{"status": {"running": true, "since": "2026-01-02T03:04:05Z"}}`, false},
		{"text for a status", `{"status": "running"}`, false},
	} {
		err := schema.Check([]byte(`{"state": {"desired": {"any": [1]}, "reported": ` + c.reported + `}, "version": 4, "timestamp": 1700000000}`))
		if (err == nil) != c.ok {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
