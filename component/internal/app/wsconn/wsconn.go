// Package wsconn carries MQTT over WebSockets, for both ends of a connection.
package wsconn

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// Protocols are the subprotocols of MQTT.
var Protocols = []string{"mqtt", "mqttv3.1"}

// New makes the bytes of a WebSocket's binary messages a connection. One goroutine
// may read while another writes. Closing it closes the WebSocket.
func New(ws *websocket.Conn) net.Conn { return &conn{Conn: ws} }

type conn struct {
	*websocket.Conn
	message io.Reader // the one that is being read; nil before the next
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		if c.message == nil {
			kind, message, err := c.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, errors.New("websocket: want binary messages")
			}
			c.message = message
		}
		n, err := c.message.Read(p)
		if errors.Is(err, io.EOF) {
			c.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline goes past the WebSocket, whose own may not be set while another
// goroutine writes.
func (c *conn) SetDeadline(t time.Time) error { return c.NetConn().SetDeadline(t) }
