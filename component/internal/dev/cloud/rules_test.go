package cloud

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/broker"
	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	core "github.com/shadowgpio/shadowgpio/internal/broker"
)

// rule is a rule of AWS IoT with one action.
type rule struct {
	selects map[string]string // expressions by the path of their result
	from    string
	to      string // the topic of its action
}

var (
	statement = regexp.MustCompile(`^SELECT (.+) FROM '([^']+)'(?: WHERE startswith\(clientId, '\$\{Prefix\}'\))?$`)
	part      = regexp.MustCompile(`topic\((\d+)\)`)
)

// rulesOf reads the rules of a template, in the subset of SQL that they use.
func rulesOf(t *testing.T, file string) map[string]rule {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				TopicRulePayload struct {
					Sql     string `yaml:"Sql"`
					Actions []struct {
						Republish struct {
							Topic string `yaml:"Topic"`
						} `yaml:"Republish"`
					} `yaml:"Actions"`
				} `yaml:"TopicRulePayload"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	rules := map[string]rule{}
	for name, resource := range template.Resources {
		if resource.Type != "AWS::IoT::TopicRule" {
			continue
		}
		payload := resource.Properties.TopicRulePayload
		words := statement.FindStringSubmatch(payload.Sql)
		if words == nil || len(payload.Actions) != 1 {
			t.Fatalf("%s: %s: %q with %d actions", file, name, payload.Sql, len(payload.Actions))
		}
		r := rule{map[string]string{}, words[2], payload.Actions[0].Republish.Topic}
		for _, column := range strings.Split(words[1], ", ") {
			expression, path, named := strings.Cut(column, " AS ")
			if !named {
				path = expression
			}
			r.selects[path] = expression
		}
		rules[name] = r
	}
	return rules
}

// apply is what a rule makes of a message; "" if it is not about it.
func (r rule) apply(t *testing.T, m broker.Message) (topic, payload string) {
	t.Helper()
	if !core.Matches(r.from, m.Topic) {
		return "", ""
	}
	var in map[string]any
	if err := json.Unmarshal(m.Payload, &in); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for path, expression := range r.selects {
		var value any
		switch {
		case expression == "timestamp()":
			value = 5
		case strings.HasPrefix(expression, "CASE eventType WHEN 'connected' THEN true ELSE false"):
			value = in["eventType"] == "connected"
		default:
			value = at(in, expression)
		}
		if value == nil {
			t.Errorf("%s is nothing in %s", expression, m.Payload)
		}
		put(out, strings.Split(path, "."), value)
	}
	topic = part.ReplaceAllStringFunc(r.to, func(text string) string {
		var n int
		fmt.Sscanf(text, "topic(%d)", &n)
		return strings.Split(m.Topic, "/")[n-1]
	})
	topic = strings.NewReplacer("${", "", "}", "", "$$", "$").Replace(topic)
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return topic, string(text)
}

func at(in any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, ok := in.(map[string]any)
		if !ok {
			return nil
		}
		in = object[name]
	}
	return in
}

func put(out map[string]any, path []string, value any) {
	if len(path) == 1 {
		out[path[0]] = value
		return
	}
	if out[path[0]] == nil {
		out[path[0]] = map[string]any{}
	}
	put(out[path[0]].(map[string]any), path[1:], value)
}

// TestRulesOfTheTemplates has the rules in recipes/cloud see what the cloud publishes,
// and carries out what they republish.
func TestRulesOfTheTemplates(t *testing.T) {
	const recipes = "../../../../recipes/cloud"
	files, err := filepath.Glob(filepath.Join(recipes, "*.template.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no templates: ", err)
	}
	rules := map[string]rule{}
	for _, file := range files {
		for name, r := range rulesOf(t, file) {
			rules[name] = r
		}
	}
	c := start(t)
	var seen []broker.Message
	for _, filter := range []string{"#", "$aws/#"} {
		if _, err := c.Broker.Subscribe(filter, func(m broker.Message) { seen = append(seen, m) }); err != nil {
			t.Fatal(err)
		}
	}
	c.Broker.SetConnected("lamp", true)
	for _, document := range []string{`{"state":{"reported":{"on":false}}}`, `{"state":{"desired":{"on":true}}}`} {
		if _, err := c.Shadows.Update(shadow.ID{Thing: "lamp"}, []byte(document)); err != nil {
			t.Fatal(err)
		}
	}
	c.Broker.SetConnected("lamp", false)
	if err := c.Broker.Publish(broker.Message{Topic: "presence/lamp", Payload: []byte(`{"connected":false}`)}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Connections": `$aws/things/lamp/shadow/name/presence/update {"state":{"reported":{"at":…,"connected":true}}} ` +
			`$aws/things/lamp/shadow/name/presence/update {"state":{"reported":{"at":…,"connected":false}}}`,
		"LastWills": `$aws/things/lamp/shadow/name/presence/update {"state":{"reported":{"at":…,"connected":false}}}`,
		"Delta":     `shadow/trimmed/lamp/delta {"state":{"on":true},"version":2}`,
		"Reported":  `shadow/trimmed/lamp/reported {"state":{"on":false},"version":1} shadow/trimmed/lamp/reported {"state":{"on":false},"version":2}`,
	} {
		r, ok := rules[name]
		if !ok {
			t.Errorf("no rule %s", name)
		}
		delete(rules, name)
		var got []string
		for _, m := range seen {
			topic, payload := r.apply(t, m)
			if topic == "" {
				continue
			}
			got = append(got, topic+" "+payload)
			if err := c.Broker.Publish(broker.Message{Topic: topic, Payload: []byte(payload)}); err != nil {
				t.Fatal(err)
			}
		}
		if text := regexp.MustCompile(`"at":\d+`).ReplaceAllString(strings.Join(got, " "), `"at":…`); text != want {
			t.Errorf("%s made\n%s\nwant\n%s", name, text, want)
		}
	}
	for name := range rules {
		t.Errorf("rule %s is not tested", name)
	}
	text, err := c.Shadows.Get(shadow.ID{Thing: "lamp", Name: "presence"}, nil)
	if err != nil || !strings.Contains(string(text), `"connected":false`) {
		t.Errorf("the presence shadow: %s, %v", text, err)
	}
}
