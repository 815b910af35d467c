package main

import (
	"math"
	"path/filepath"
	"runtime"
	"testing"
)

func TestADiskKeepsAGibibyteOrATenthFree(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct{ free, total, want int64 }{
		{50 * gib, 100 * gib, 49 * gib}, {gib / 2, 100 * gib, -gib / 2}, {3 * gib, 5 * gib, 3*gib - gib/2}, {0, 0, 0},
	} {
		if got := spareOf(c.free, c.total); got != c.want {
			t.Errorf("of %d free of %d are %d to spare, want %d", c.free, c.total, got, c.want)
		}
	}
	if got := spare(filepath.Join(t.TempDir(), "none")); got != math.MaxInt64 {
		t.Errorf("where nobody knows %d are to spare", got)
	}
	if runtime.GOOS != "linux" {
		return
	}
	if free, total, err := roomAt(t.TempDir()); err != nil || free < 0 || free > total || total < 1<<20 {
		t.Errorf("%d free of %d, %v", free, total, err)
	}
}
