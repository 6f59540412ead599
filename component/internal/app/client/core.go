package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/shadowgpio/shadowgpio/component/internal/edge/shadow"
	"github.com/shadowgpio/shadowgpio/ipc"
	"github.com/shadowgpio/shadowgpio/ipc/model"
)

// Core is the shadow manager of a core device, over its IPC: the shadows as they are
// on the device, with or without a link to the cloud.
type Core struct{ conn *ipc.Conn }

// DialCore connects to a core device.
func DialCore(ctx context.Context, cfg ipc.Config) (*Core, error) {
	conn, err := ipc.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Core{conn}, nil
}

func (c *Core) Get(ctx context.Context, id shadow.ID) ([]byte, error) {
	response, err := c.conn.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name})
	return response.Payload, operation("get", id, coreError(err))
}

func (c *Core) Update(ctx context.Context, id shadow.ID, u shadow.Update) (version int64, err error) {
	payload, err := u.Encode()
	if err != nil {
		return 0, operation("update", id, err)
	}
	response, err := c.conn.UpdateThingShadow(ctx, model.UpdateThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name, Payload: payload})
	if err != nil {
		return 0, operation("update", id, coreError(err))
	}
	version, err = shadow.ParseVersion(response.Payload)
	return version, operation("update", id, err)
}

func (c *Core) Delete(ctx context.Context, id shadow.ID) error {
	_, err := c.conn.DeleteThingShadow(ctx, model.DeleteThingShadowRequest{ThingName: id.Thing, ShadowName: id.Name})
	return operation("delete", id, coreError(err))
}

func (c *Core) List(ctx context.Context, thing string) (names []string, err error) {
	in := model.ListNamedShadowsForThingRequest{ThingName: thing}
	for {
		out, err := c.conn.ListNamedShadowsForThing(ctx, in)
		if err != nil {
			return nil, coreError(err)
		}
		names = append(names, out.Results...)
		if in.NextToken = out.NextToken; in.NextToken == "" {
			slices.Sort(names)
			return names, nil
		}
	}
}

func (c *Core) Follow(ctx context.Context, id shadow.ID) (Follower, error) {
	return c.follow(ctx, id, c)
}

func (c *Core) follow(ctx context.Context, id shadow.ID, by Service) (Follower, error) {
	changes, err := c.conn.SubscribeToTopic(ctx, model.SubscribeToTopicRequest{Topic: id.Topic("/update/accepted"), ReceiveMode: model.ReceiveAll})
	if err != nil {
		return nil, operation("follow", id, coreError(err))
	}
	return &coreFollower{by: by, id: id, changes: changes}, nil
}

func (c *Core) Close() error { return c.conn.Close() }

// coreFollower reads the document after each change of which it is told.
type coreFollower struct {
	by      Service // reads
	id      shadow.ID
	changes *ipc.Stream[model.SubscriptionResponseMessage]
	begun   bool
}

func (f *coreFollower) Next(ctx context.Context) (shadow.Document, error) {
	if f.begun {
		select {
		case <-ctx.Done():
			return shadow.Document{}, ctx.Err()
		case _, ok := <-f.changes.Events():
			if !ok {
				return shadow.Document{}, operation("follow", f.id, f.changes.Err())
			}
		}
	}
	f.begun = true
	return Document(ctx, f.by, f.id)
}

func (f *coreFollower) Close() { f.changes.Close() }

// coreError makes an [*Error] of a refusal by the shadow manager. What it calls a
// service error has no code of its own but that of a throttled request.
func coreError(err error) error {
	refusal, ok := errors.AsType[*ipc.ServiceError](err)
	if !ok {
		return err
	}
	code, ok := map[model.ErrorCode]int{
		model.ResourceNotFound: http.StatusNotFound,
		model.InvalidArguments: http.StatusBadRequest,
		model.Conflict:         http.StatusConflict,
		model.Unauthorized:     http.StatusForbidden,
	}[refusal.Code]
	switch {
	case refusal.Message == "Too Many Requests":
		code = http.StatusTooManyRequests
	case !ok:
		code = http.StatusInternalServerError
	}
	return &Error{Code: code, Message: strings.TrimSpace(fmt.Sprintf("%s (%s)", refusal.Message, refusal.Code))}
}
