//go:build !linux

package main

import "errors"

func roomAt(string) (free, total int64, err error) { return 0, 0, errors.ErrUnsupported }
