package shadows

import (
	"regexp"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/internal/shadowdoc"
)

var requestTopic = regexp.MustCompile(`^\$aws/things/([^/]+)/shadow(?:/name/([^/]+))?/(get|update|delete)$`)

// HandleTopic serves a request that a client has published, and answers it on
// topics. It reports whether the topic is that of a request.
func (s *Service) HandleTopic(topic string, request []byte) bool {
	parts := requestTopic.FindStringSubmatch(topic)
	if parts == nil {
		return false
	}
	id := shadow.ID{Thing: parts[1], Name: parts[2]}
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch parts[3] {
	case "get":
		var reply []byte
		if reply, err = s.get(id, request); err == nil {
			s.cfg.Publish(topic+"/accepted", reply)
		}
	case "update":
		_, err = s.update(id, request)
	case "delete":
		_, err = s.delete(id, request)
	}
	if err != nil {
		refusal := refusalOf(err)
		s.cfg.Publish(topic+"/rejected", shadowdoc.Rejected(refusal.Code, refusal.Message, shadowdoc.ClientToken(request), s.now()))
	}
	return true
}
