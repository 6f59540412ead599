package broker

import (
	"net"
	"net/http"

	"github.com/gorilla/websocket"

	"github.com/shadowgpio/shadowgpio/component/internal/app/wsconn"
)

// upgrader makes WebSockets of requests. The zero value works.
type upgrader struct{}

func (upgrader) upgrade(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	u := websocket.Upgrader{
		Subprotocols: wsconn.Protocols,
		CheckOrigin:  func(*http.Request) bool { return true }, // the signature says who it is
	}
	ws, err := u.Upgrade(w, r, nil)
	if err != nil {
		return nil, err
	}
	return wsconn.New(ws), nil
}
