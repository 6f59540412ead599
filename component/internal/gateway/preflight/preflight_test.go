package preflight

import (
	"strings"
	"testing"
)

const (
	good    = `{"lines": {"lamp": {"line": "LAMP", "direction": "output"}}, "shadows": {"main": {"properties": {"lights": {"line": "lamp"}}}}}`
	recipe  = "RecipeFormatVersion: '2020-01-25'\nComponentName: io.shadowgpio.ShadowGpio\nComponentConfiguration:\n  DefaultConfiguration: "
	cloud   = `{"targetArn": "arn:aws:iot:eu-central-1:123456789012:thing/gw", "components": {"aws.greengrass.Nucleus": {}, "io.shadowgpio.ShadowGpio": {"componentVersion": "1.0.0", "configurationUpdate": `
	local   = `{"io.shadowgpio.ShadowGpio": `
	present = "lines: {lamp: {line: LAMP, direction: output, minOn: 5s}, fan: {line: FAN, direction: output}}\nshadows: {main: {properties: {lights: {line: lamp}, fan: {line: fan}}}}"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name     string
		question Question
		kind     Kind
		faults   []string // each a part of one fault, in order; nil is valid
		notes    string   // part of them
	}{
		{"nothing", Question{}, Configuration, nil, ""},
		{"a configuration", Question{Document: []byte(good)}, Configuration, nil, ""},
		{"a faulty one", Question{Document: []byte("lines: {lamp: {line: LAMP}}\nlins: 1")}, Configuration, []string{"lines.lamp.direction: want input or output", `lins: want one of`}, ""},
		{"a key twice", Question{Document: []byte("lines: {}\nlines: {}")}, Configuration, []string{"lines: want each key once, got it in line 1 and in line 2"}, ""},
		{"a key twice beside another fault", Question{Document: []byte("lines: {}\nlines: {}\nlins: 1")}, Configuration, []string{"lines: want each key once", "lins: want one of"}, ""},
		{"keys that are numbers", Question{Document: []byte("lines: {1: {line: LAMP, direction: output}, 0x1: {line: FAN, direction: output}, on: {line: X, direction: input}}")}, Configuration, nil, ""},
		{"keys that are numbers in a recipe", Question{Document: []byte(recipe + "{lines: {1: {line: LAMP, direction: output}}, shadows: {main: {properties: {p: {line: 1, values: {1: on, 0: off}}}}}}")}, Recipe, nil, ""},
		{"a key twice in a recipe", Question{Document: []byte(recipe + "{lines: {1: {line: LAMP, direction: output}, '1': {line: FAN, direction: output}}}")}, Recipe,
			[]string{"ComponentConfiguration.DefaultConfiguration.lines.1: want each key once"}, ""},
		{"a key twice in a deployment", Question{Document: []byte("components: {}\ncomponents: {}")}, Deployment, []string{"components: want each key once"}, ""},
		{"a key twice in a merge", Question{Document: []byte(cloud + `{"merge": "{\"lines\": {},\n\"lines\": {}}"}}}}`)}, Deployment,
			[]string{"configurationUpdate.merge.lines: want each key once, got it in line 1 and in line 2"}, ""},

		{"a recipe", Question{Document: []byte(recipe + good)}, Recipe, nil, ""},
		{"a recipe in JSON, other capitals", Question{Document: []byte(`{"recipeFormatVersion": "2020-01-25", "componentconfiguration": {"defaultConfiguration": ` + good + `}}`)}, Recipe, nil, ""},
		{"a recipe without defaults", Question{Document: []byte("RecipeFormatVersion: '2020-01-25'")}, Recipe, nil, "no default configuration"},
		{"a recipe with a fault", Question{Document: []byte(recipe + "{lines: {lamp: {line: 1, direction: output}}}")}, Recipe,
			[]string{"ComponentConfiguration.DefaultConfiguration.lines.lamp.chip: want a chip name"}, ""},
		{"a recipe with text for defaults", Question{Document: []byte(recipe + "nothing")}, Recipe, []string{`ComponentConfiguration.DefaultConfiguration: want a map, got "nothing"`}, ""},
		{"a configuration taken for a recipe", Question{Document: []byte(good), As: Recipe}, Recipe, nil, "no default configuration"},

		{"a deployment", Question{Document: []byte(cloud + quotedMerge(good) + "}}}")}, Deployment, nil, "first deployment"},
		{"one that changes nothing", Question{Document: []byte(strings.Replace(cloud, `, "configurationUpdate": `, "", 1) + "}}}"), Present: []byte(present)}, Deployment, nil, "as it is"},
		{"a merge that is no text", Question{Document: []byte(cloud + `{"merge": {"logLevel": "debug"}}}}}`)}, Deployment,
			[]string{`components.io.shadowgpio.ShadowGpio.configurationUpdate.merge: want JSON as text, got {"logLevel":"debug"}; put the object into quotes`}, ""},
		{"a merge that is no JSON", Question{Document: []byte(cloud + `{"merge": "{logLevel: debug}"}}}}`)}, Deployment, []string{`configurationUpdate.merge: want JSON as text, got "{logLevel: debug}"; invalid character`}, ""},
		{"a merge of a list", Question{Document: []byte(cloud + `{"merge": "[1]"}}}}`)}, Deployment, []string{`configurationUpdate.merge: want a map, got [1]`}, ""},
		{"local keys in the cloud", Question{Document: []byte(cloud + `{"MERGE": {}}}}}`)}, Deployment, []string{`configurationUpdate.MERGE: want one of the keys merge, reset, got unknown key "MERGE"; did you mean "merge"?`}, ""},
		{"resets that are none", Question{Document: []byte(cloud + `{"reset": ["lines", 5, "/lines"]}}}}`)}, Deployment,
			[]string{`configurationUpdate.reset[0]: want a JSON pointer`, `configurationUpdate.reset[1]: want a JSON pointer`}, ""},
		{"a reset that is no list", Question{Document: []byte(cloud + `{"reset": "/lines"}}}}`)}, Deployment, []string{`configurationUpdate.reset: want a list of JSON pointers`}, ""},
		{"of another component", Question{Document: []byte(`{"components": {"io.shadowgpio.ShadowGpo": {}}}`)}, Deployment,
			[]string{`components: want the component io.shadowgpio.ShadowGpio, got io.shadowgpio.ShadowGpo; did you mean "io.shadowgpio.ShadowGpo"?`}, ""},
		{"of a component with a name of its own", Question{Document: []byte(`{"components": {"my.Gpio": {"configurationUpdate": {"merge": "{\"logLevel\": 5}"}}}}`), Component: "my.Gpio"}, Deployment,
			[]string{"logLevel: want one of"}, ""},
		{"components that are none", Question{Document: []byte(`{"components": []}`)}, Deployment, []string{"components: want a map, got []"}, ""},
		{"a component that is none", Question{Document: []byte(`{"components": {"io.shadowgpio.ShadowGpio": "1.0.0"}}`)}, Deployment, []string{`components.io.shadowgpio.ShadowGpio: want a map, got "1.0.0"`}, ""},

		{"a local deployment", Question{Document: []byte(local + `{"MERGE": ` + good + `}}`)}, Deployment, nil, ""},
		{"cloud keys in a local one", Question{Document: []byte(local + `{"RESET": [], "merge": {}}}`)}, Deployment, []string{`io.shadowgpio.ShadowGpio.merge: want one of the keys MERGE, RESET`}, ""},
		{"local and text", Question{Document: []byte(local + `{"MERGE": "{}"}}`)}, Deployment, []string{`io.shadowgpio.ShadowGpio.MERGE: want a map, got "{}"`}, ""},

		{"a new shadow beside the shadow manager", Question{Document: []byte(`{"components": {"aws.greengrass.ShadowManager": ` + quotedSync(`{"coreThing": {"namedShadows": ["room"]}}`) + `, "io.shadowgpio.ShadowGpio": {"configurationUpdate": ` +
			quotedMerge(`{"shadows": {"hall": {"name": "hall"}, "pump": {"thing": "pump-7"}, "room": {"name": "room"}}}`) + "}}}"), Present: []byte(present)}, Deployment, nil,
			`the cloud sees gw/hall, pump-7 (classic) only if synchronize of the shadow manager names it, which this deployment does not do; beside it, deploy "aws.greengrass.ShadowManager": {"configurationUpdate": {"merge": "{\"synchronize\":{\"coreThing\":{\"classic\":true,\"namedShadows\":[\"hall\",\"room\"]},\"shadowDocumentsMap\":{\"pump-7\":{\"classic\":true}}}}"}}`},
		{"shadows that the shadow manager is told of", Question{Document: []byte(`{"components": {"aws.greengrass.ShadowManager": ` + quotedSync(`{"coreThing": {"namedShadows": ["hall"]}}`) + `, "io.shadowgpio.ShadowGpio": {"configurationUpdate": ` +
			quotedMerge(`{"shadows": {"hall": {"name": "hall"}}}`) + "}}}"), Present: []byte(present)}, Deployment, nil, ""},
		{"a new shadow, the shadow manager as it is", Question{Document: []byte(local + `{"MERGE": {"shadows": {"hall": {"name": "hall"}}}}}`), Present: []byte(present)}, Deployment, nil, "the cloud sees gw/hall only if"},
		{"a new shadow over topics", Question{Document: []byte(local + `{"MERGE": {"transport": "iotCore", "shadows": {"hall": {"name": "hall"}}}}}`), Present: []byte(present)}, Deployment, nil, ""},
		{"merged into what is there", Question{Document: []byte(local + `{"MERGE": {"lines": {"lamp": {"maxOn": "1s"}}}}}`), Present: []byte(present)}, Deployment,
			[]string{"lines.lamp.maxOn: want at least minOn, 5s, got 1s"}, ""},
		{"reset before that", Question{Document: []byte(local + `{"RESET": ["/lines/lamp/minOn"], "MERGE": {"lines": {"lamp": {"maxOn": "1s"}}}}}`), Present: []byte(present)}, Deployment, nil, ""},
		{"reset what is needed", Question{Document: []byte(local + `{"RESET": ["/lines/fan"]}}`), Present: []byte(present)}, Deployment,
			[]string{`shadows.main.properties.fan.line: want the label of a line, got "fan"`}, ""},
		{"reset to the defaults", Question{Document: []byte(local + `{"RESET": ["/lines/fan"]}}`), Present: []byte(present), Recipe: []byte(recipe + "{lines: {fan: {line: OTHER, direction: output}}}")}, Deployment, nil, ""},
		{"reset all, and no more", Question{Document: []byte(local + `{"RESET": ["", "/nothing"], "MERGE": {"lines": {"lamp": {"line": "L"}}}}}`), Present: []byte(present)}, Deployment,
			[]string{"lines.lamp.direction: want input or output, got nothing"}, ""},
		{"reset nothing", Question{Document: []byte(local + `{"RESET": ["/lines/fna", "/logLevel/x"]}}`), Present: []byte(present)}, Deployment, nil, `reset "/lines/fna" names nothing`},
		{"keys with a slash", Question{Document: []byte(local + `{"RESET": ["/accessControl/a~1b~0c"]}}`), Present: []byte("accessControl: {a/b~c: 1}")}, Deployment, nil, ""},
		{"a null takes a key away", Question{Document: []byte(local + `{"MERGE": {"lines": {"lamp": {"minOn": null, "maxOn": "1s"}}}}}`), Present: []byte(present)}, Deployment, nil, ""},
		{"defaults do not hide what is there", Question{Document: []byte(local + `{"MERGE": {}}}`), Present: []byte("logLevel: loud"), Recipe: []byte(recipe + "{logLevel: info}")}, Deployment,
			[]string{`logLevel: want one of debug, info, warn, error, got "loud"`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.question.Thing = "gw"
			report, err := Judge(c.question)
			if c.kind == "" {
				if err == nil {
					t.Fatal("judged what cannot be read")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if report.Kind != c.kind {
				t.Errorf("taken for a %s, want %s", report.Kind, c.kind)
			}
			if len(report.Faults) != len(c.faults) {
				t.Fatalf("faults %v, want %q", report.Faults, c.faults)
			}
			for i, want := range c.faults {
				if got := report.Faults[i].String(); !strings.Contains(got, want) {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			if (report.Config == nil) != (len(c.faults) > 0) && c.name != "one that changes nothing" {
				t.Errorf("configuration %v with faults %v", report.Config, report.Faults)
			}
			notes := strings.Join(report.Notes, "\n")
			if !strings.Contains(notes, c.notes) {
				t.Errorf("notes %q, want %q", notes, c.notes)
			}
			if c.notes != "" != (notes != "") && !strings.Contains(notes, "first deployment") {
				t.Errorf("notes %q, want %q", notes, c.notes)
			}
		})
	}
}

func quotedSync(section string) string {
	return `{"configurationUpdate": ` + quotedMerge(`{"synchronize": `+section+`}`) + `}`
}

func quotedMerge(merge string) string {
	return `{"merge": "` + strings.ReplaceAll(merge, `"`, `\"`) + `"}`
}

func TestJudgeRefuses(t *testing.T) {
	for name, q := range map[string]Question{
		"a list":                         {Document: []byte("[1]")},
		"text":                           {Document: []byte("lamp")},
		"no YAML":                        {Document: []byte("{")},
		"two documents":                  {Document: []byte("{}\n---\n{}")},
		"an unknown kind":                {As: "novel"},
		"a configuration onto another":   {Document: []byte(good), Present: []byte(present)},
		"a recipe that is none":          {Document: []byte(local + `{"MERGE": {}}}`), Recipe: []byte(good)},
		"a recipe with faulty defaults":  {Document: []byte(local + `{"MERGE": {}}}`), Recipe: []byte(recipe + "5")},
		"a configuration that is a list": {Document: []byte(local + `{"MERGE": {}}}`), Present: []byte("- 1")},
	} {
		if _, err := Judge(q); err == nil {
			t.Errorf("%s was judged", name)
		}
	}
}
