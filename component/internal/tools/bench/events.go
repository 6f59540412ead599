package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/eventstream"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

const (
	eventTopic = "bench/events"
	eventText  = `{"line":"lamp","value":true,"version":12345}`
	publishers = 16 // calls in flight

	// One publisher is slower than a subscriber: each has many subscriptions,
	// and every message is an event of each.
	subscriptions = 8
	waiting       = 100 // so many messages may be on their way; our client lets 256 wait
	half          = waiting / 2
	batch         = half * subscriptions // a subscriber tells of so many events
	warmEvents    = 20 * batch
)

// throughput compares how many events in a second each client takes.
func (b *bench) throughput(ctx context.Context) error {
	total := warmEvents + b.eventCount/batch*batch
	if total == warmEvents {
		return nil
	}
	size, err := eventSize()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Printf("events taken per second, %d events of %d bytes, through %d subscriptions\n", total-warmEvents, size, subscriptions)
	row := func(name string, perSecond float64) { fmt.Fprintf(w, "%-42s\t%.0f\t\n", name, perSecond) }

	floor, err := b.stream(size, total)
	if err != nil {
		return err
	}
	row("bare Unix socket, the same bytes (floor)", floor)
	ours, err := command(ctx, "subscriber", b.environment()...)
	if err != nil {
		return err
	}
	ours.Args = append(ours.Args, strconv.Itoa(total))
	ours.Stderr = os.Stderr
	rate, err := b.taken(ctx, ours, total)
	if err != nil {
		return err
	}
	row("this project's client (Go)", rate)
	for _, o := range b.officials() {
		if o.missing != "" {
			fmt.Fprintln(w, o.missing)
			continue
		}
		cmd, err := b.prepare(ctx, o, "events", strconv.Itoa(subscriptions), strconv.Itoa(batch), strconv.Itoa(total))
		if err != nil {
			return err
		}
		rate, err := b.taken(ctx, cmd, total)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		row(o.name, rate)
	}
	w.Flush()
	fmt.Println()
	return nil
}

func eventSize() (int, error) {
	payload, err := json.Marshal(model.SubscriptionResponseMessage{BinaryMessage: &model.BinaryMessage{
		Message: []byte(eventText), Context: &model.MessageContext{Topic: eventTopic}}})
	if err != nil {
		return 0, err
	}
	frame, err := eventstream.Encode(&eventstream.Message{
		StreamID: 1, ContentType: eventstream.ContentJSON, ModelType: model.SubscribeToTopic.EventType(), Payload: payload})
	return len(frame), err
}

// stream is the floor: frames of that size, written one by one, read one by one.
func (b *bench) stream(size, total int) (float64, error) {
	conn, err := net.Dial("unix", b.ready.Floor)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%8d%8d", -total, size); err != nil {
		return 0, err
	}
	in, frame := bufio.NewReader(conn), make([]byte, size)
	var start time.Time
	for i := range total {
		if i == warmEvents {
			start = time.Now()
		}
		if err := readFull(in, frame); err != nil {
			return 0, err
		}
	}
	return float64(total-warmEvents) / time.Since(start).Seconds(), nil
}

// taken publishes to a subscriber, which says "ready" and then a line a batch.
func (b *bench) taken(ctx context.Context, cmd *exec.Cmd, total int) (float64, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	defer stop()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		return 0, errors.Join(errors.New("the subscriber ended"), cmd.Wait())
	}
	rate, err := b.publish(ctx, total, lines)
	if err != nil {
		cmd.Process.Kill()
	}
	io.Copy(io.Discard, out)
	return rate, errors.Join(err, cmd.Wait())
}

// publish returns how many events in a second the subscriber took after the first ones.
func (b *bench) publish(ctx context.Context, total int, subscriber *bufio.Scanner) (float64, error) {
	request := model.PublishToTopicRequest{Topic: eventTopic, PublishMessage: model.PublishMessage{
		BinaryMessage: &model.BinaryMessage{Message: []byte(eventText)}}}
	messages := total / subscriptions
	room := make(chan struct{}, messages+waiting)
	for range waiting {
		room <- struct{}{}
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var parts sync.WaitGroup
	part := func(run func() error) {
		parts.Go(func() {
			if err := run(); err != nil {
				fail(err)
			}
		})
	}
	for i := range publishers {
		part(func() error {
			for n := i; n < messages; n += publishers {
				select {
				case <-room:
				case <-ctx.Done():
					return ctx.Err()
				}
				if _, err := b.conn.PublishToTopic(ctx, request); err != nil {
					return err
				}
			}
			return nil
		})
	}
	var start time.Time
	part(func() error {
		for n := batch; n <= total; n += batch {
			if !subscriber.Scan() {
				return errors.New("the subscriber ended")
			}
			if n == warmEvents {
				start = time.Now()
			}
			for range half {
				room <- struct{}{}
			}
		}
		return nil
	})
	parts.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return float64(total-warmEvents) / time.Since(start).Seconds(), nil
}

// subscribe is our subscriber's process.
func subscribe(ctx context.Context, total string) error {
	count, err := strconv.ParseInt(total, 10, 64)
	if err != nil {
		return err
	}
	conn, err := ipc.Dial(ctx, ipc.Config{
		Socket: os.Getenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"), Token: ipc.Token(os.Getenv("SVCUID"))})
	if err != nil {
		return err
	}
	defer conn.Close()
	var taken atomic.Int64
	var parts sync.WaitGroup
	ended := make(chan error, subscriptions)
	for range subscriptions {
		events, err := conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{Topic: eventTopic, ReceiveMode: model.ReceiveAll})
		if err != nil {
			return err
		}
		parts.Go(func() {
			for range events.Events() {
				n := taken.Add(1)
				if n%batch == 0 {
					fmt.Println(n)
				}
				if n == count {
					ended <- nil
					return
				}
			}
			ended <- fmt.Errorf("after %d events: %w", taken.Load(), events.Err())
		})
	}
	fmt.Println("ready")
	err = <-ended
	conn.Close()
	parts.Wait()
	return err
}
