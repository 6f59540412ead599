package devcore

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
	"github.com/shadowgpio/shadowgpio/ipc/server"
)

// shadows is the shadow manager (aws-greengrass/aws-greengrass-shadow-manager):
// the rules about documents are in package shadowdoc, those about requests here.
type shadows struct {
	core   *Core
	limit  *rateLimiter
	store  *store
	tokens pageTokens

	closedUntil atomic.Int64 // in ns since 1970: the database is not open before

	mu   sync.Mutex // guards the maps
	rows map[key]*row
	busy map[key]*turn
}

// turn is the right to change one shadow. It is held while the change is stored
// and published, so that the order of messages is that of versions.
type turn struct {
	slot    chan struct{}
	waiting int // how many want it or have it
}

func newShadows(c *Core) (*shadows, error) {
	s := &shadows{
		core:  c,
		limit: newRateLimiter(c.cfg.RateLimits),
		store: &store{log: c.log},
		busy:  map[key]*turn{},
	}
	if c.cfg.Dir != "" {
		s.store.dir = filepath.Join(c.cfg.Dir, "shadows")
	}
	var err error
	s.rows, err = s.store.load()
	return s, err
}

func (s *shadows) register(srv *server.Server) {
	server.Handle(srv, model.GetThingShadow, s.getThingShadow)
	server.Handle(srv, model.UpdateThingShadow, s.updateThingShadow)
	server.Handle(srv, model.DeleteThingShadow, s.deleteThingShadow)
	server.Handle(srv, model.ListNamedShadowsForThing, s.listNamedShadows)
}

// row returns what is stored, nil if nothing ever was.
func (s *shadows) row(k key) *row {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows[k]
}

// document returns the document of a shadow, nil if there is none or no more.
func (s *shadows) document(k key) *shadowdoc.Document {
	if r := s.row(k); r != nil {
		return r.document
	}
	return nil
}

// put stores a row. The caller has the turn.
func (s *shadows) put(k key, r *row) error {
	if err := s.store.save(k, r); err != nil {
		return fmt.Errorf("store shadow: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[k] = r
	return nil
}

// lock waits for the turn to change a shadow. The result gives it back.
func (s *shadows) lock(k key) (unlock func()) {
	s.mu.Lock()
	t, ok := s.busy[k]
	if !ok {
		t = &turn{slot: make(chan struct{}, 1)}
		s.busy[k] = t
	}
	t.waiting++
	s.mu.Unlock()
	t.slot <- struct{}{}
	return func() {
		<-t.slot
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(s.busy, k)
		}
	}
}

// shadowRequest is a get, update or delete from wherever it comes.
type shadowRequest struct {
	ThingName  *string `json:"thingName"`
	ShadowName string  `json:"shadowName"`
	Payload    []byte  `json:"payload"`

	operation model.Operation
	by        caller
}

// caller is who a request comes from.
type caller struct {
	component string
	trusted   bool // policies do not apply: the shadow manager itself, or our own user
}

// shadowManager is the caller of requests over topics and of changes by the cloud.
var shadowManager = caller{serviceShadows, true}

func (r *shadowRequest) key() key { return key{r.thing(), r.ShadowName} }

func (r *shadowRequest) thing() string {
	if r.ThingName == nil {
		return "null" // as it appears in topics
	}
	return *r.ThingName
}

// resource is the name of the shadow in policies and the prefix of its topics.
func (r *shadowRequest) resource() string {
	if blank(r.ShadowName) {
		return model.ShadowTopic(r.thing(), "")
	}
	return model.ShadowTopic(r.thing(), r.ShadowName)
}

// verb is the part of a topic that names the operation.
func (r *shadowRequest) verb() string {
	return strings.ToLower(strings.TrimSuffix(r.operation.Name, "ThingShadow"))
}

// Limits of names (util/Validator.java). Lengths are in UTF-16 units.
const (
	maxThingName  = 128
	maxShadowName = 64
	namePattern   = "[a-zA-Z0-9:_-]+"
)

var validName = regexp.MustCompile("^" + namePattern + "$")

// blank is the notion of empty that the nucleus has for names: nothing but spaces.
func blank(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp) })
}

// checkThing returns the text of a refusal, "" for a good name.
func checkThing(name *string) string {
	if name == nil || blank(*name) {
		return "ThingName is missing"
	}
	return checkName("ThingName", *name, maxThingName)
}

func checkName(what, name string, limit int) string {
	switch {
	case len(utf16.Encode([]rune(name))) > limit:
		return fmt.Sprintf("%s has a maximum length of %d", what, limit)
	case !validName.MatchString(name):
		return fmt.Sprintf("%s must match pattern %s", what, namePattern)
	}
	return ""
}

func (r *shadowRequest) checkNames() string {
	if text := checkThing(r.ThingName); text != "" {
		return text
	}
	if blank(r.ShadowName) {
		return ""
	}
	return checkName("ShadowName", r.ShadowName, maxShadowName)
}

var (
	errThrottled = &server.Error{Code: model.ServiceFailure, Message: "Too Many Requests"}
	errNoShadow  = &server.Error{Code: model.ResourceNotFound, Message: "No shadow found", ResourceType: "shadow"}
)

const (
	textUnauthorized = "Unauthorized"
	textInternal     = "Internal service failure"
)

// codes are the IPC errors for the codes of refusals.
var codes = map[int]model.ErrorCode{
	400: model.InvalidArguments,
	409: model.Conflict,
	413: model.InvalidArguments,
}

// admit takes a request of a component over IPC through the rate limits. One
// that is over them leaves no trace on the topics.
func (s *shadows) admit(call *server.Call, r *shadowRequest) error {
	r.operation, r.by = call.Operation, caller{component: call.Component}
	if r.ThingName == nil || s.limit.allow(*r.ThingName) {
		return nil
	}
	s.observe(r, Event{Kind: ShadowRefused, Reason: errThrottled.Message})
	return errThrottled
}

func (s *shadows) getThingShadow(call *server.Call, r *shadowRequest) (resp model.GetThingShadowResponse, err error) {
	if err = s.admit(call, r); err == nil {
		resp.Payload, err = s.get(r)
	}
	return resp, err
}

func (s *shadows) updateThingShadow(call *server.Call, r *shadowRequest) (resp model.UpdateThingShadowResponse, err error) {
	if err = s.admit(call, r); err == nil {
		resp.Payload, err = s.update(r)
	}
	return resp, err
}

func (s *shadows) deleteThingShadow(call *server.Call, r *shadowRequest) (resp model.DeleteThingShadowResponse, err error) {
	if err = s.admit(call, r); err == nil {
		err = s.delete(r)
	}
	resp.Payload = []byte{}
	return resp, err
}

func now() int64 { return time.Now().Unix() }

// get answers with the document. It takes no turn: what it reads is whole anyway.
func (s *shadows) get(r *shadowRequest) ([]byte, error) {
	if text := r.checkNames(); text != "" {
		return nil, s.refuse(r, &shadowdoc.Refusal{Code: 400, Message: text}, nil)
	}
	if err := s.authorize(r); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, s.refuse(r, err, nil)
	}
	d := s.document(r.key())
	if d == nil {
		return nil, s.refuseMissing(r)
	}
	payload := d.Got(now())
	s.publish(r, "/accepted", payload)
	s.observe(r, Event{Kind: ShadowRead, Version: d.Version})
	return payload, nil
}

func (s *shadows) delete(r *shadowRequest) error {
	if text := r.checkNames(); text != "" {
		return s.refuse(r, &shadowdoc.Refusal{Code: 400, Message: text}, nil)
	}
	defer s.lock(r.key())()
	if err := s.authorize(r); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		return s.refuse(r, err, nil)
	}
	d := s.document(r.key())
	if d == nil {
		return s.refuseMissing(r)
	}
	if err := s.put(r.key(), &row{version: d.Version + 1}); err != nil {
		return s.refuse(r, err, nil)
	}
	s.publish(r, "/accepted", d.Deleted(now()))
	s.core.sync.deleted(r.key())
	s.observe(r, Event{Kind: ShadowDeleted, Version: d.Version})
	return nil
}

// update makes a change, with its checks in the order of the shadow manager
// (ipc/UpdateThingShadowRequestHandler.java). Refusals before the payload is
// read carry no client token.
func (s *shadows) update(r *shadowRequest) (reply []byte, err error) {
	reply, _, err = s.change(r)
	return reply, err
}

// change is an update that also returns the document it left.
func (s *shadows) change(r *shadowRequest) (reply []byte, after *shadowdoc.Document, err error) {
	if text := r.checkNames(); text != "" {
		return nil, nil, s.refuse(r, &shadowdoc.Refusal{Code: 400, Message: text}, nil)
	}
	defer s.lock(r.key())()
	if len(r.Payload) == 0 {
		return nil, nil, s.refuse(r, &shadowdoc.Refusal{Code: 400, Message: "Missing update payload"}, nil)
	}
	if err := s.authorize(r); err != nil {
		return nil, nil, err
	}
	if err := s.ready(); err != nil {
		return nil, nil, s.refuse(r, err, nil)
	}
	u, err := shadowdoc.ParseUpdate(r.Payload)
	if err != nil {
		return nil, nil, s.refuse(r, err, nil)
	}
	c, failure := s.apply(r, u)
	if c == nil && !shadowdoc.Internal(failure) {
		return nil, nil, s.refuse(r, failure, u.Token)
	}
	s.warn(r, u)
	if c != nil {
		if err := s.put(r.key(), &row{c.After.Version, c.After}); err != nil {
			return nil, nil, s.refuse(r, err, u.Token)
		}
	}
	if failure != nil {
		return nil, nil, s.fail(r, c)
	}
	return s.announce(r, c), c.After, nil
}

// apply makes the change, and says aloud when the real shadow manager fails on it.
func (s *shadows) apply(r *shadowRequest, u *shadowdoc.Update) (*shadowdoc.Change, error) {
	with := func(q Quirks) (*shadowdoc.Change, error) {
		return shadowdoc.Apply(s.document(r.key()), u, now(), s.core.cfg.ShadowDocumentSizeLimit, shadowdoc.Quirks(q))
	}
	c, failure := with(Faithful)
	if !shadowdoc.Internal(failure) {
		return c, failure
	}
	s.core.log.Error("the real shadow manager fails inside on this update",
		"thing", r.thing(), "shadow", r.ShadowName, "component", r.by.component,
		"update", string(r.Payload), "stored", c != nil, "quirks", s.core.cfg.Quirks)
	if s.core.cfg.Quirks == Fixed {
		return with(Fixed)
	}
	return c, failure
}

// announce publishes an accepted update and returns the reply to it.
func (s *shadows) announce(r *shadowRequest, c *shadowdoc.Change) []byte {
	delta := c.Delta(now())
	if delta != nil {
		s.publish(r, "/delta", delta)
	}
	documents, accepted := c.Documents(now()), c.Accepted(now())
	s.publish(r, "/documents", documents)
	s.publish(r, "/accepted", accepted)
	s.core.sync.changed(r.key(), r.Payload, c.After)
	s.observe(r, s.changed(ShadowUpdated, r, c))
	return accepted
}

func (s *shadows) changed(kind EventKind, r *shadowRequest, c *shadowdoc.Change) Event {
	e := Event{Kind: kind, Version: c.After.Version, Sent: r.Payload}
	if s.core.cfg.Observe == nil {
		return e
	}
	e.Document = c.After.JSON()
	if d := c.After.Delta(); d != nil {
		e.Delta = shadowdoc.Append(nil, d)
	}
	if c.Token != nil {
		e.Token = *c.Token
	}
	return e
}

// fail answers where the shadow manager has an internal exception: nothing is
// published, though the change may be stored.
func (s *shadows) fail(r *shadowRequest, c *shadowdoc.Change) error {
	e := Event{Kind: ShadowFailed, Sent: r.Payload}
	if c != nil {
		e = s.changed(ShadowFailed, r, c)
	}
	e.Reason = "internal error of the shadow manager"
	s.observe(r, e)
	return &server.Error{Code: model.ServiceFailure}
}

// refuse publishes a refusal and returns the error that answers the request.
// Anything but a [shadowdoc.Refusal] is a fault on this side.
func (s *shadows) refuse(r *shadowRequest, cause error, token *string) error {
	code, published := 500, textInternal
	answer := &server.Error{Code: model.ServiceFailure, Message: cause.Error()}
	if refusal, ok := errors.AsType[*shadowdoc.Refusal](cause); ok {
		code, published = refusal.Code, refusal.Message
		answer.Code = codes[refusal.Code]
	}
	s.rejected(r, code, published, token, cause.Error())
	return answer
}

func (s *shadows) refuseMissing(r *shadowRequest) error {
	name := r.ShadowName
	if blank(name) {
		name = "Unnamed Shadow"
	}
	s.rejected(r, 404, "No shadow exists with name: "+name, nil, errNoShadow.Message)
	return errNoShadow
}

func (s *shadows) authorize(r *shadowRequest) error {
	if r.by.trusted {
		return nil
	}
	if err := s.core.authorize(r.by.component, serviceShadows, r.operation, r.resource()); err != nil {
		s.rejected(r, 401, textUnauthorized, nil, err.Message)
		return err
	}
	return nil
}

func (s *shadows) rejected(r *shadowRequest, code int, text string, token *string, reason string) {
	s.publish(r, "/rejected", shadowdoc.Rejected(code, text, token, now()))
	e := Event{Kind: ShadowRefused, Code: code, Reason: reason, Sent: r.Payload}
	if token != nil {
		e.Token = *token
	}
	s.observe(r, e)
}

// publish puts a message on a topic of the shadow, as bytes. A name that makes
// the topic invalid keeps the message back.
func (s *shadows) publish(r *shadowRequest, suffix string, payload []byte) {
	topic := r.resource() + "/" + r.verb() + suffix
	message := model.PublishMessage{BinaryMessage: &model.BinaryMessage{Message: payload}}
	if err := s.core.pubsub.publish(serviceShadows, topic, message); err != nil {
		s.core.log.Warn("shadow message not published", "topic", topic, "err", err)
	}
}

func (s *shadows) observe(r *shadowRequest, e Event) {
	if r.ThingName != nil {
		e.Thing = *r.ThingName
	}
	e.Component, e.Operation, e.Shadow = r.by.component, r.operation.Name, r.ShadowName
	s.core.observe(e)
}

// warn says what works here but not in the cloud.
func (s *shadows) warn(r *shadowRequest, u *shadowdoc.Update) {
	for _, text := range u.CloudObjections() {
		s.core.log.Warn("the cloud would refuse this update: "+text,
			"thing", r.thing(), "shadow", r.ShadowName, "component", r.by.component)
	}
}

// requestTopic finds the parts of a topic that asks for something. Thing and
// shadow take whatever stands there; the names are checked later.
var requestTopic = regexp.MustCompile(`^\$aws/things/(.*)/shadow(?:/name/(.*))?/(get|update|delete)$`)

// requestFilter is what the shadow manager subscribes to.
var requestFilter = []string{"$aws", "things", "+", "shadow", "#"}

var topicOperations = map[string]model.Operation{
	"get":    model.GetThingShadow,
	"update": model.UpdateThingShadow,
	"delete": model.DeleteThingShadow,
}

// handleTopic serves a request that a component has published. Who did is not
// asked: the request counts as one of the shadow manager itself, without rate
// limit, and is answered on topics only (PubSubIntegrator.java).
func (s *shadows) handleTopic(topic string, payload []byte) {
	if !matches(requestFilter, splitTopic(topic)) {
		return
	}
	parts := requestTopic.FindStringSubmatch(topic)
	if parts == nil {
		s.core.log.Debug("no shadow request", "topic", topic)
		return
	}
	r := &shadowRequest{ThingName: &parts[1], ShadowName: parts[2], operation: topicOperations[parts[3]], by: shadowManager}
	var err error
	switch parts[3] {
	case "get":
		_, err = s.get(r)
	case "update":
		r.Payload = payload
		_, err = s.update(r)
	case "delete":
		err = s.delete(r)
	}
	if err != nil {
		s.core.log.Info("shadow request over a topic refused", "topic", topic, "err", err)
	}
}
