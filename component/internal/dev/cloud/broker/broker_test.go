package broker

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// rig is a broker whose clients are at the ends of pipes.
type rig struct {
	*Broker
	t   *testing.T
	log *logged
}

type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// inBubble runs a test in which no time passes but what it sleeps.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &logged{}
		b, err := New(slog.New(slog.NewTextHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if t.Failed() {
				t.Logf("log\n%s", log)
			}
			began := time.Now()
			b.Close()
			if took := time.Since(began); took > 2*byeTimeout {
				t.Errorf("the broker took %v to close", took)
			}
			if n := b.queued.Load(); n != 0 {
				t.Errorf("%d bytes are said to wait for nobody", n)
			}
		}()
		test(t, &rig{b, t, log})
	})
}

// dial makes a connection, of which ended is closed when the broker has ended it.
func (r *rig) dial() (c net.Conn, ended chan struct{}) {
	near, far := net.Pipe()
	ended = make(chan struct{})
	go func() { defer close(ended); r.serve("test", far) }()
	return near, ended
}

func text(s string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s
}

func packet(kind byte, body string) string {
	head := []byte{kind}
	for n := len(body); ; {
		digit := byte(n % 128)
		if n /= 128; n > 0 {
			head = append(head, digit|0x80)
			continue
		}
		return string(append(head, digit)) + body
	}
}

// connect is a CONNECT of MQTT 3.1.1.
func connect(id string, clean bool, keepAlive uint16) string {
	flags := "\x00"
	if clean {
		flags = "\x02"
	}
	return packet(0x10, text("MQTT")+"\x04"+flags+string(binary.BigEndian.AppendUint16(nil, keepAlive))+text(id))
}

// connectFor is a CONNECT of MQTT 5 whose session stays for some seconds.
func connectFor(id string, seconds uint32) string {
	return packet(0x10, text("MQTT")+"\x05\x00\x00\x3c"+"\x05\x11"+string(binary.BigEndian.AppendUint32(nil, seconds))+text(id))
}

// connectWill is a CONNECT of MQTT 5 with a last will that waits.
func connectWill(id string, delay uint32) string {
	session := "\x05\x11" + string(binary.BigEndian.AppendUint32(nil, delay)) // its expiry
	waits := "\x05\x18" + string(binary.BigEndian.AppendUint32(nil, delay))
	return packet(0x10, text("MQTT")+"\x05\x04\x00\x3c"+session+text(id)+waits+text("wills")+text("gone"))
}

func subscribe(topic string) string { return packet(0x82, "\x00\x01"+text(topic)+"\x01") }

func publish(topic string, retain bool, payload string) string {
	kind := byte(0x30)
	if retain {
		kind |= 1
	}
	return packet(kind, text(topic)+payload)
}

// send sends packets, and reads what comes until all is quiet.
func (r *rig) send(c net.Conn, packets ...string) {
	r.t.Helper()
	go io.Copy(io.Discard, c)
	for _, p := range packets {
		if _, err := io.WriteString(c, p); err != nil {
			r.t.Fatal(err)
		}
	}
	synctest.Wait()
}

// kept is what is kept of messages that clients have not acknowledged.
func (r *rig) kept() (bytes, clients int) {
	r.memory.mu.Lock()
	defer r.memory.mu.Unlock()
	return r.memory.kept, len(r.memory.backlogs)
}

func first(n, _ int) int { return n }

// gone reports whether a connection has ended.
func gone(ended chan struct{}) bool {
	synctest.Wait()
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

func TestClientsThatTakeTooLong(t *testing.T) {
	for _, test := range []struct {
		name  string
		sent  string
		after time.Duration
	}{
		{"silent", "", connectTimeout},
		{"half a CONNECT", connect("a", true, 60)[:9], connectTimeout},
		{"silent after CONNECT", connect("a", true, 60), 90 * time.Second},
		{"half a PUBLISH", connect("a", true, 60) + "\x30\x7f\x00", 90 * time.Second},
		{"no keep-alive", connect("a", true, 0), maxSilence},
		{"long keep-alive", connect("a", true, 65535), maxSilence},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				c, ended := r.dial()
				r.send(c, test.sent)
				time.Sleep(test.after - time.Millisecond)
				if gone(ended) {
					t.Errorf("ended before %v", test.after)
				}
				time.Sleep(2 * time.Millisecond)
				if !gone(ended) {
					t.Errorf("lives after %v", test.after)
				}
			})
		})
	}
}

// stuck connects a client that subscribes to everything and reads no more.
func (r *rig) stuck(id string) (c net.Conn, ended chan struct{}) {
	r.t.Helper()
	c, ended = r.dial()
	go io.WriteString(c, connect(id, true, 0)+subscribe("#"))
	if _, err := io.ReadFull(c, make([]byte, 4+5)); err != nil { // CONNACK, SUBACK
		r.t.Fatal(err)
	}
	synctest.Wait()
	return c, ended
}

// TestClientThatDoesNotRead holds up nobody, and what waits for it is bounded.
func TestClientThatDoesNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		_, few := r.stuck("few")
		began := time.Now()
		r.Publish(Message{Topic: "a", Payload: []byte("x")})
		_, many := r.stuck("many")
		payload := make([]byte, 100<<10)
		for range 2 * maxQueue / len(payload) {
			if err := r.Publish(Message{Topic: "a", Payload: payload}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := r.queued.Load(); n > 2*maxQueue {
				t.Fatalf("%d bytes wait", n)
			}
		}
		if time.Since(began) > 0 {
			t.Error("the publisher waited")
		}
		if !gone(many) || !r.log.has(tellSlow) {
			t.Error("a client whose queue is full is connected")
		}
		time.Sleep(writeTimeout)
		if !gone(few) {
			t.Error("a client that took nothing for so long is connected")
		}
	})
}

// TestAllQueuesTogether bounds what waits for all clients.
func TestAllQueuesTogether(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for i := range 20 {
			r.stuck(fmt.Sprint(i))
		}
		payload := make([]byte, 100<<10)
		for range maxQueue/len(payload) - 2 {
			r.Publish(Message{Topic: "a", Payload: payload})
			synctest.Wait()
			if n := r.queued.Load(); n > maxQueued+20*int64(len(payload)+2*frameCost) {
				t.Fatalf("%d bytes wait", n)
			}
		}
		connected := 0
		for i := range 20 {
			if r.Connected(fmt.Sprint(i)) {
				connected++
			}
		}
		if want := maxQueued / maxQueue; connected < want-1 || connected > want+1 {
			t.Errorf("%d clients are connected, want about %d", connected, want)
		}
	})
}

func TestRetainedMessagesAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var heard atomic.Int64
		r.Subscribe("#", func(Message) { heard.Add(1) })
		c, _ := r.dial()
		r.send(c, connect("a", true, 0))
		for i := range maxRetained + 100 {
			r.send(c, publish(fmt.Sprint(i), true, "x"))
		}
		if n := len(r.Retained()); n != maxRetained || heard.Load() != maxRetained+100 || !r.log.has(tellRetained) {
			t.Errorf("%d retained, %d delivered", n, heard.Load())
		}
		r.send(c, publish("1", true, ""), publish("new", true, "x"), publish("2", true, "y"))
		if n := len(r.Retained()); n != maxRetained {
			t.Errorf("%d retained after one was replaced", n)
		}
		for i := range maxRetainedBytes>>10/100 + 50 {
			r.send(c, publish(fmt.Sprint(i), true, strings.Repeat("x", 100<<10)))
		}
		size := 0
		for _, m := range r.Retained() {
			size += len(m.Payload)
		}
		if size > maxRetainedBytes || size < maxRetainedBytes*9/10 {
			t.Errorf("%d bytes retained", size)
		}
	})
}

// TestSessionsAreBounded disconnects clients whose sessions stay, and some whose sessions
// do not.
func TestSessionsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for i := range maxSessions + 20 {
			time.Sleep(time.Second)
			c, ended := r.dial()
			r.send(c, connect(fmt.Sprintf("kept-%03d", i), false, 0), subscribe("a"))
			c.Close()
			<-ended
			c, ended = r.dial()
			r.send(c, connect(fmt.Sprintf("clean-%03d", i), true, 0), subscribe("a"))
			c.Close()
			<-ended
		}
		subscriptions := len(r.server.Topics.Subscribers("a").Subscriptions)
		_, oldest := r.server.Clients.Get("kept-019")
		_, newest := r.server.Clients.Get("kept-119")
		if n := r.server.Clients.Len() - 1; n != maxSessions || subscriptions != maxSessions || oldest || !newest || !r.log.has(tellSession) {
			t.Errorf("%d sessions, %d subscriptions; the oldest is there: %v, the newest: %v", n, subscriptions, oldest, newest)
		}
	})
}

// TestExpiredSessionsLeaveNothing looks for the subscriptions of sessions that are over.
func TestExpiredSessionsLeaveNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for i := range 10 {
			c, ended := r.dial()
			r.send(c, connectFor(fmt.Sprint(i), 30), packet(0x82, "\x00\x01\x00"+text("a")+"\x01"))
			c.Close()
			<-ended
		}
		r.Publish(Message{Topic: "a", Payload: []byte("x"), QoS: 1})
		if n := len(r.server.Topics.Subscribers("a").Subscriptions); n != 10 || first(r.kept()) == 0 {
			t.Errorf("%d subscriptions are kept", n)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(r.server.Topics.Subscribers("a").Subscriptions); n != 0 || r.server.Clients.Len() != 1 || first(r.kept()) != 0 {
			t.Errorf("%d subscriptions, %d clients and %d bytes are left", n, r.server.Clients.Len(), first(r.kept()))
		}
	})
}

// TestClientThatLeavesBeforeItsAnswer leaves no session: its CONNACK may not be sent.
func TestClientThatLeavesBeforeItsAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for i := range 50 {
			c, ended := r.dial()
			io.WriteString(c, connect(fmt.Sprint(i), true, 0))
			c.Close()
			<-ended
		}
		if n := r.server.Clients.Len() - 1; n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
}

func TestUnacknowledgedMessagesAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		offline := func(id string) *mqtt.Client {
			c, ended := r.dial()
			r.send(c, connect(id, false, 0), subscribe(id))
			c.Close()
			<-ended
			cl, _ := r.server.Clients.Get(id)
			return cl
		}
		a, b := offline("a"), offline("b")
		for range maxUnacknowledged + 100 {
			r.Publish(Message{Topic: "a", Payload: []byte("x"), QoS: 1})
		}
		for range 100 {
			r.Publish(Message{Topic: "b", Payload: make([]byte, 120<<10), QoS: 1})
		}
		size := 0
		for _, pk := range b.State.Inflight.GetAll(false) {
			size += len(pk.Payload)
		}
		if n := a.State.Inflight.Len(); n != maxUnacknowledged || size > maxUnacknowledgedBytes+120<<10 || size < maxUnacknowledgedBytes*9/10 || !r.log.has(tellBacklog) {
			t.Errorf("%d messages and %d bytes wait", n, size)
		}

		// A client that comes back gets and acknowledges all, and has room again.
		c, _ := r.dial()
		go io.WriteString(c, connect("a", false, 0))
		got := 0
		var answers bytes.Buffer
		reader := func() (kind byte, body []byte) {
			var head [2]byte
			io.ReadFull(c, head[:])
			body = make([]byte, head[1])
			io.ReadFull(c, body)
			return head[0], body
		}
		for got < maxUnacknowledged {
			if kind, body := reader(); kind&0xf0 == 0x30 {
				got++
				n := 2 + binary.BigEndian.Uint16(body)
				answers.WriteString(packet(0x40, string(body[n:n+2])))
			}
		}
		r.send(c, answers.String())
		if !r.memory.admits(a) || a.State.Inflight.Len() != 0 && r.server.Clients.Len() == 0 {
			t.Error("acknowledged messages still count")
		}
		r.Publish(Message{Topic: "a", Payload: []byte("again"), QoS: 1})
		now, _ := r.server.Clients.Get("a")
		if n := now.State.Inflight.Len(); n != 1 {
			t.Errorf("%d messages wait for a client that has acknowledged all but the last", n)
		}
		r.remove(now)
		r.remove(b)
		if size, clients := r.kept(); size != 0 || clients != 0 {
			t.Errorf("%d bytes of %d clients are said to be kept for nobody", size, clients)
		}
	})
}

func TestWillsThatWaitAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var heard atomic.Int64
		r.Subscribe("wills", func(Message) { heard.Add(1) })
		for i := range maxWills + 10 {
			c, ended := r.dial()
			r.send(c, connectWill(fmt.Sprint(i), 60))
			c.Close()
			<-ended
		}
		if synctest.Wait(); heard.Load() != 10 || !r.log.has(tellWill) {
			t.Errorf("%d last wills were sent at once, want 10", heard.Load())
		}
		time.Sleep(2 * time.Minute)
		if synctest.Wait(); heard.Load() != maxWills+10 {
			t.Errorf("%d last wills were sent in the end", heard.Load())
		}
	})
}

func TestLongTopicsAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		long := strings.Repeat("x", maxTopic+1)
		for _, sent := range []string{subscribe(long), publish(long, false, "x")} {
			c, ended := r.dial()
			r.send(c, connect("a", true, 0), subscribe(long[1:]), publish(long[1:], false, "x"))
			if gone(ended) {
				t.Error("a topic of the longest length is refused")
			}
			r.send(c, sent)
			if !gone(ended) || !r.log.has(tellTopic) {
				t.Error("a topic that is too long is taken")
			}
		}
	})
}
