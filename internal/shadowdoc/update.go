package shadowdoc

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of an update.
const (
	DefaultSizeLimit = 8192
	MaxSizeLimit     = 30720

	maxDepth = 6
	maxToken = 64

	// maxFaults is how many faults of a state are told; the validator there has
	// no such limit, and a refusal of some megabytes.
	maxFaults = 20
)

// Refusal says why an update was refused, with the code that the rejected
// message carries: 400, 409 or 413.
type Refusal struct {
	Code    int
	Message string
}

func (e *Refusal) Error() string { return e.Message }

var (
	errDepth    = &Refusal{400, fmt.Sprintf("JSON contains too many levels of nesting; maximum is %d", maxDepth)}
	errVersion  = &Refusal{400, "Invalid version"}
	errConflict = &Refusal{409, "Version conflict"}
	errSize     = &Refusal{413, "The payload exceeds the maximum size allowed"}
)

// Update is an update request that has passed the checks that need no document.
type Update struct {
	Token *string // the client token, nil without one

	state   Value   // *Object or nil
	version *Number // nil without one
}

// ParseUpdate reads an update request. It fails with a *[SyntaxError] or, when
// the JSON has not the right form, with a *[Refusal].
func ParseUpdate(payload []byte) (*Update, error) {
	v, err := Parse(payload)
	if errors.Is(err, io.EOF) {
		v = nil
	} else if err != nil {
		return nil, err
	}
	if nothing(v) {
		return nil, &Refusal{400, "Invalid JSON: "}
	}
	request, ok := v.(*Object)
	if ok {
		if state, ok := request.values["state"].(*Object); ok {
			state.Delete("delta")
		}
	}
	if faults := checkForm(v); len(faults) > 0 {
		// The validator there calls the root "$"; its users take out that text
		// wherever it stands.
		return nil, &Refusal{400, "Invalid JSON: " + strings.ReplaceAll(strings.Join(faults, ". "), "$.", "")}
	}
	u := &Update{state: request.values["state"]}
	if n, ok := request.values["version"].(Number); ok {
		u.version = &n
	}
	if token, ok := request.values["clientToken"].(string); ok {
		u.Token = &token
	}
	return u, nil
}

// checkForm is what the schema of an update demands, fault by fault in the order
// in which its validator (networknt/json-schema-validator 1.0.52) finds them:
// that of its tables, not of the request.
func checkForm(v Value) []string {
	request, ok := v.(*Object)
	if !ok {
		return []string{fmt.Sprintf("$: %s found, object expected", typeName(v))}
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	state, hasState := request.Get("state")
	if !hasState {
		fault("$.state: is missing but it is required")
	}
	if token, ok := request.Get("clientToken"); ok {
		if s, ok := token.(string); !ok {
			fault("$.clientToken: %s found, string expected", typeName(token))
		} else if utf8.RuneCountInString(s) > maxToken {
			fault("$.clientToken: may only be %d characters long", maxToken)
		}
	}
	faults = append(faults, checkState(state)...)
	if version, ok := request.Get("version"); ok {
		if n, ok := version.(Number); !ok {
			fault("$.version: %s found, number expected", typeName(version))
		} else if n.double() < 0 {
			fault("$.version: must have a minimum value of 0")
		}
	}
	return faults
}

func checkState(v Value) (faults []string) {
	state, ok := v.(*Object)
	if !ok {
		if v == nil {
			return nil
		}
		return []string{fmt.Sprintf("$.state: %s found, but [object, null] is required", typeName(v))}
	}
	known := false
	for _, name := range []string{"desired", "reported"} {
		section, ok := state.Get(name)
		known = known || ok
		if _, isObject := section.(*Object); section != nil && !isObject {
			faults = append(faults, fmt.Sprintf("$.state.%s: %s found, but [object, null] is required", name, typeName(section)))
		}
	}
	if known {
		return faults
	}
	// Without a known section nothing else is allowed, but for names that the
	// validator takes for comments.
	faults = []string{
		"$.state.reported: is missing but it is required",
		"$.state.desired: is missing but it is required",
	}
	missing := len(faults)
	for name := range state.All() {
		if strings.HasPrefix(name, "#") {
			continue
		}
		if len(faults) == maxFaults {
			return append(faults, "…")
		}
		faults = append(faults, fmt.Sprintf(
			"$.state.%s: is not defined in the schema and the schema does not allow additional properties", name))
	}
	if len(faults) == missing {
		return nil
	}
	return faults
}

func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case Number:
		if v.integral() {
			return "integer"
		}
		return "number"
	case Array:
		return "array"
	}
	return "object"
}

// checkDepth looks at the sections of the request. Only containers that hold
// something count.
func (u *Update) checkDepth() error {
	state, ok := u.state.(*Object)
	if !ok {
		return nil
	}
	for _, name := range []string{"reported", "desired"} {
		if section, ok := state.Get(name); ok && depth(section) > maxDepth {
			return errDepth
		}
	}
	return nil
}

func depth(v Value) int {
	deepest := 0
	switch v := v.(type) {
	case *Object:
		if v.Len() == 0 {
			return 0
		}
		for _, e := range v.All() {
			deepest = max(deepest, depth(e))
		}
	case Array:
		if len(v) == 0 {
			return 0
		}
		for _, e := range v {
			deepest = max(deepest, depth(e))
		}
	default:
		return 0
	}
	return deepest + 1
}

func (u *Update) checkVersion(d *Document) error {
	if u.version == nil {
		return nil
	}
	wanted := int64(u.version.int())
	switch {
	case d == nil && wanted != 1:
		return errVersion
	case d != nil && wanted != d.Version:
		return errConflict
	}
	return nil
}

// CloudObjections lists what the shadow manager takes and the cloud refuses.
func (u *Update) CloudObjections() []string {
	var objections []string
	if u.Token != nil && len(*u.Token) > maxToken {
		objections = append(objections, fmt.Sprintf("client token of %d bytes is over the limit of %d", len(*u.Token), maxToken))
	}
	state, _ := u.state.(*Object)
	for name := range state.All() {
		if name != "desired" && name != "reported" {
			objections = append(objections, fmt.Sprintf("state contains an invalid node %q", name))
		}
	}
	if nullInArray(u.state, false) {
		objections = append(objections, "null in an array")
	}
	return objections
}

func nullInArray(v Value, inArray bool) bool {
	switch v := v.(type) {
	case nil:
		return inArray
	case Array:
		for _, e := range v {
			if nullInArray(e, true) {
				return true
			}
		}
	case *Object:
		for _, e := range v.All() {
			if nullInArray(e, false) {
				return true
			}
		}
	}
	return false
}
