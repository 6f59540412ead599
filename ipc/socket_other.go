//go:build !linux

package ipc

import (
	"context"
	"errors"
	"net"
)

const maxLongName = 0 // no long path can be reached

func dialLong(context.Context, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}
