package client

import (
	"testing"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
)

// An update of an object changes the members that it has: that the others stay is not
// somebody else's doing.
func TestObjectsAreMerged(t *testing.T) {
	const before = `{"version":3,"state":{"desired":{"times":{"zone":"UTC","missed":"last","entries":[]}},"reported":{"ack":{"times":{"code":200,"version":3}}}}}`
	for _, c := range []struct {
		name, desired string // as it stands in the document afterwards
		want          Outcome
	}{
		{"merged", `{"zone":"UTC","entries":[1]}`, Done},
		{"somebody desired other entries", `{"zone":"UTC","entries":[2]}`, Overruled},
		{"somebody withdrew them", `{"zone":"UTC"}`, Overruled},
		{"what was to go stays", `{"zone":"UTC","missed":"last","entries":[1]}`, Overruled},
	} {
		first, err := shadow.ParseDocument([]byte(before))
		if err != nil {
			t.Fatal(err)
		}
		after, err := shadow.ParseDocument([]byte(`{"version":5,"state":{"desired":{"times":` + c.desired + `},"reported":{"ack":{"times":{"code":200,"version":4}}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		desired, err := ParseDesired([]string{`times={"entries":[1],"missed":null}`})
		if err != nil {
			t.Fatal(err)
		}
		q := Question{Desired: desired, Before: first, Version: 4}
		if answers, _, _ := q.Answers(after); answers["times"].Outcome != c.want {
			t.Errorf("%s: %v, want %s", c.name, answers["times"], c.want)
		}
	}
}
