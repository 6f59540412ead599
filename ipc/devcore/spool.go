package devcore

import (
	"errors"

	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// DefaultSpoolLimit is how many bytes of payload wait for the link.
const DefaultSpoolLimit = 5 << 19

// spool holds the messages that go to AWS IoT Core, in order
// (aws-greengrass/aws-greengrass-nucleus mqttclient/spool/Spool.java). Only
// payloads count. Its user has the lock.
type spool struct {
	limit    int
	messages []spooled
	size     int
}

// spooled is a message with the component that it came from.
type spooled struct {
	Message
	component string
}

// add appends a message. Those of quality of service 0 make way for it when it
// does not fit.
func (s *spool) add(m spooled) error {
	if len(m.Payload) > s.limit {
		return errors.New("Message is larger than the size of message spool.") //lint:ignore ST1005 text of the wire
	}
	s.shrink(s.limit - len(m.Payload))
	if s.size+len(m.Payload) > s.limit {
		return errors.New("Message spool is full. Message could not be added.") //lint:ignore ST1005 text of the wire
	}
	s.messages = append(s.messages, m)
	s.size += len(m.Payload)
	return nil
}

// shrink drops messages of quality of service 0, the oldest first, until no more
// than some bytes are left.
func (s *spool) shrink(size int) {
	kept := s.messages[:0:0]
	for _, m := range s.messages {
		if s.size > size && m.QOS == model.AtMostOnce {
			s.size -= len(m.Payload)
			continue
		}
		kept = append(kept, m)
	}
	s.messages = kept
}

// first is the oldest message.
func (s *spool) first() (m spooled, ok bool) {
	if len(s.messages) == 0 {
		return m, false
	}
	return s.messages[0], true
}

// pop removes the oldest message.
func (s *spool) pop() {
	s.size -= len(s.messages[0].Payload)
	s.messages = s.messages[1:]
}
