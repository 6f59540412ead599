package broker

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// upgrader makes WebSockets of requests. The zero value works.
type upgrader struct{}

func (upgrader) upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	u := websocket.Upgrader{
		Subprotocols: []string{"mqtt", "mqttv3.1"},
		CheckOrigin:  func(*http.Request) bool { return true }, // the signature says who it is
	}
	conn, err := u.Upgrade(w, r, nil)
	if err != nil {
		return nil, err
	}
	return &stream{Conn: conn}, nil
}

// stream is the bytes of a WebSocket's binary messages as a connection. One
// goroutine may read while another writes.
type stream struct {
	*websocket.Conn
	message io.Reader // the one that is being read; nil before the next
}

func (s *stream) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("websocket: want binary messages")
			}
			s.message = message
		}
		n, err := s.message.Read(p)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (s *stream) Write(p []byte) (int, error) {
	if err := s.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline goes past the WebSocket, whose own may not be set while another
// goroutine writes.
func (s *stream) SetDeadline(t time.Time) error { return s.NetConn().SetDeadline(t) }
