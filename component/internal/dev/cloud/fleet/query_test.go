package fleet

import (
	"strings"
	"testing"
)

func TestQueries(t *testing.T) {
	things := []Thing{
		{Name: "lamp-1", Groups: []string{"hall"}, Fields: map[string][]string{"shadow.reported.level": {"5"}, "shadow.desired.on": {"true"}, "connectivity.connected": {"true"}}},
		{Name: "lamp-2", Fields: map[string][]string{"shadow.reported.level": {"7.5"}, "shadow.reported.place": {"a/b c"}, "connectivity.connected": {"false"}}},
		{Name: "door", Groups: []string{"hall", "cellar"}, Fields: map[string][]string{"shadow.reported.level": {"high"}}},
	}
	for query, want := range map[string]string{
		"thingName:lamp-1":                                       "lamp-1",
		"thingName:lamp*":                                        "lamp-1 lamp-2",
		"thingName:lamp-?":                                       "lamp-1 lamp-2",
		"thingName:*":                                            "lamp-1 lamp-2 door",
		"-thingName:lamp*":                                       "door",
		"NOT thingName:lamp*":                                    "door",
		"thingName:lamp* AND NOT thingName:*2":                   "lamp-1",
		"thingName:lamp* connectivity.connected:false":           "lamp-2",
		"thingName:door OR shadow.desired.on:true":               "lamp-1 door",
		"shadow.reported.level:[5 TO 7.5]":                       "lamp-1 lamp-2",
		"shadow.reported.level:{5 TO 7.5]":                       "lamp-2",
		"shadow.reported.level:[* TO 7.5}":                       "lamp-1",
		"shadow.reported.level>5":                                "lamp-2",
		"shadow.reported.level<=5":                               "lamp-1",
		"shadow.reported.level:HIGH":                             "door",
		`shadow.reported.place:"a/b c"`:                          "lamp-2",
		"shadow.reported.place:a*c":                              "lamp-2",
		"shadow.reported.place:*":                                "lamp-2",
		"thingGroupNames:hall AND (thingName:d* OR thingName:x)": "door",
		"thingName:door OR thingName:lamp-1 AND connectivity.connected:true": "lamp-1 door",
	} {
		q, err := Parse(query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var got []string
		for _, thing := range things {
			if q(thing) {
				got = append(got, thing.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s chose %v, want %s", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"":              "want FIELD:VALUE",
		"lamp":          `want FIELD:VALUE, got "lamp"`,
		"a:1 AND":       "want FIELD:VALUE",
		"(a:1":          "parenthesis is not closed",
		"a:1)":          `")" where`,
		`a:"x`:          "is not closed",
		"a:[1 TO":       "is not closed",
		"a:[1 UNTIL 5]": "want a range",
		"a:[x TO 5]":    "want a range",
		"a>x":           "want a number",
	} {
		if _, err := Parse(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", query, err, want)
		}
	}
}
