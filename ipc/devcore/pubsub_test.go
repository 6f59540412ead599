package devcore

import "testing"

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a/c", false},
		{"a/b", "a", false},
		{"a", "a/b", false},
		{"a/+", "a/b", true},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"a/+", "a//", false}, // the topic is "a"
		{"+/b", "a/b", true},
		{"+", "a", true},
		{"+", "$aws", true},
		{"+/b", "/b", true},
		{"a/+/c", "a//c", true},
		{"a/#", "a/b", true},
		{"a/#", "a/b/c", true},
		{"a/#", "a", false},
		{"a/#", "a/", false},
		{"#", "a", true},
		{"#", "a/b/c", true},
		{"#", "$aws/things/x", true},
		{"a/#/c", "a/b/c", true}, // in the middle it is one level
		{"a/#/c", "a/b/d", false},
		{"a/#/c", "a/b/b/c", false},
		{"a/", "a", true},
		{"a", "a/", true},
		{"a", "a///", true},
		{"/a", "a", false},
		{"A", "a", false},
		{"a+", "ab", false},
		{"/", "a", false},
		{"", "a", false},
	} {
		if got := matches(splitTopic(c.filter), splitTopic(c.topic)); got != c.want {
			t.Errorf("filter %q, topic %q: got %v", c.filter, c.topic, got)
		}
	}
}

func TestHasWildcard(t *testing.T) {
	for filter, want := range map[string]bool{
		"a/b": false, "a/+": true, "+/a": true, "a/#": true, "#": true, "a/#/b": false, "a+": false, "a#": false, "/": false,
	} {
		if got := hasWildcard(splitTopic(filter)); got != want {
			t.Errorf("%q: got %v", filter, got)
		}
	}
}
