//go:build !linux

// Package socketpath gives Unix sockets addresses that fit.
package socketpath

// At hands do the path of the socket, which must fit an address.
func At(path string, do func(address string) error) error { return do(path) }
