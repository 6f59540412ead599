//go:build !linux

package doctor

import "errors"

func space(string) (Space, error) { return Space{}, errors.ErrUnsupported }

func synchronised() (bool, error) { return false, errors.ErrUnsupported }
