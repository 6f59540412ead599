package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/fleet"
	"github.com/shadowgpio/shadowgpio/component/internal/dev/cloud/shadows"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

// Pages of the fleet index and of thing groups, as those of AWS.
const (
	maxSearch  = 500
	usualPage  = 100
	maxMembers = 250
)

// fleetHandlers are the operations of AWS IoT about many things, in the form of
// aws-sdk-go-v2 service/iot.
func (a *API) fleetHandlers() map[string]func(*http.Request, []byte) (any, error) {
	return map[string]func(*http.Request, []byte) (any, error){
		"POST /indices/search":                        a.search,
		"POST /thing-groups/{group}":                  a.createGroup,
		"PUT /thing-groups/addThingToThingGroup":      a.member(a.Groups.Add),
		"PUT /thing-groups/removeThingFromThingGroup": a.member(a.Groups.Remove),
		"GET /thing-groups/{group}/things":            a.listMembers,
	}
}

type connectivity struct {
	Connected bool `json:"connected"`
}

type foundThing struct {
	Name         string       `json:"thingName"`
	Groups       []string     `json:"thingGroupNames,omitempty"`
	Shadow       string       `json:"shadow,omitempty"` // JSON
	Connectivity connectivity `json:"connectivity"`
}

func (a *API) search(_ *http.Request, body []byte) (any, error) {
	var request struct {
		Index      string `json:"indexName"`
		Query      string `json:"queryString"`
		NextToken  string `json:"nextToken"`
		MaxResults *int   `json:"maxResults"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, invalid("body: %v", err)
	}
	if request.Index != "" && request.Index != "AWS_Things" {
		return nil, &shadowdoc.Refusal{Code: http.StatusNotFound, Message: "index " + request.Index + " does not exist; want AWS_Things"}
	}
	size := usualPage
	if request.MaxResults != nil {
		size = *request.MaxResults
	}
	if size < 1 || size > maxSearch {
		return nil, invalid("maxResults: want 1 to %d, got %d", maxSearch, size)
	}
	query, err := fleet.Parse(request.Query)
	if err != nil {
		return nil, invalid("%v", err)
	}
	answer := struct {
		Things    []foundThing `json:"things"`
		NextToken string       `json:"nextToken,omitempty"`
	}{Things: []foundThing{}}
	records := a.Shadows.Records()
	for _, t := range fleet.Index(records, a.Groups, a.Broker.Connected) {
		if t.Name <= request.NextToken || !query(t) {
			continue
		}
		if len(answer.Things) == size {
			answer.NextToken = answer.Things[size-1].Name
			break
		}
		text, err := fleet.Shadow(records, t.Name)
		if err != nil {
			return nil, err
		}
		answer.Things = append(answer.Things, foundThing{t.Name, t.Groups, text, connectivity{a.Broker.Connected(t.Name)}})
	}
	return answer, nil
}

func (a *API) createGroup(r *http.Request, _ []byte) (any, error) {
	name := r.PathValue("group")
	if err := shadows.CheckThing(name); err != nil {
		return nil, invalid("Invalid thing group name")
	}
	if err := a.Groups.Create(name); err != nil {
		return nil, groupError(err, name)
	}
	return map[string]string{"thingGroupName": name}, nil
}

// member makes a handler of a change of one thing in one group.
func (a *API) member(change func(group, thing string) error) func(*http.Request, []byte) (any, error) {
	return func(_ *http.Request, body []byte) (any, error) {
		var request struct {
			Group string `json:"thingGroupName"`
			Thing string `json:"thingName"`
		}
		if err := json.Unmarshal(body, &request); err != nil {
			return nil, invalid("body: %v", err)
		}
		if err := shadows.CheckThing(request.Thing); err != nil {
			return nil, err
		}
		return struct{}{}, groupError(change(request.Group, request.Thing), request.Group)
	}
}

func groupError(err error, group string) error {
	if errors.Is(err, fleet.ErrNoGroup) {
		return &shadowdoc.Refusal{Code: http.StatusNotFound, Message: "Thing group " + group + " not found"}
	}
	if errors.Is(err, fleet.ErrFull) {
		return invalid("%v", err)
	}
	return err
}

// listMembers answers with a page of things. The token is the last thing before it.
func (a *API) listMembers(r *http.Request, _ []byte) (any, error) {
	size, err := number(r, "maxResults", 1, maxMembers, usualPage)
	if err != nil {
		return nil, err
	}
	group := r.PathValue("group")
	things, err := a.Groups.Members(group)
	if err != nil {
		return nil, groupError(err, group)
	}
	start, found := slices.BinarySearch(things, r.URL.Query().Get("nextToken"))
	if found {
		start++
	}
	page := struct {
		Things    []string `json:"things"`
		NextToken string   `json:"nextToken,omitempty"`
	}{Things: append([]string{}, things[start:min(start+size, len(things))]...)}
	if start+size < len(things) {
		page.NextToken = things[start+size-1]
	}
	return page, nil
}
