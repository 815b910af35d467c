package main

import (
	"fmt"
	"syscall"
)

// roomAt is how many bytes anybody may still write to where a folder is, and how
// many it holds.
func roomAt(folder string) (free, total int64, err error) {
	var at syscall.Statfs_t
	if err := syscall.Statfs(folder, &at); err != nil {
		return 0, 0, fmt.Errorf("ask for the free space at %s: %w", folder, err)
	}
	size := int64(at.Bsize) //nolint:unconvert // on 32-bit systems it is another type
	return int64(at.Bavail) * size, int64(at.Blocks) * size, nil
}
