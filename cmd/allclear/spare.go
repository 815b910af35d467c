package main

import (
	"math"
	"os"
)

// keptFree is what is left of a disk by what is not needed to be kept: the ack
// journal and the database may be there. Of a small one it is a tenth.
const keptFree = 1 << 30 // bytes

// spare is how many bytes may be written to a folder ("" is the system's for
// temporary files) by what can do without; as many as there are where nobody knows.
func spare(folder string) int64 {
	if folder == "" {
		folder = os.TempDir()
	}
	free, total, err := roomAt(folder)
	if err != nil {
		return math.MaxInt64
	}
	return spareOf(free, total)
}

func spareOf(free, total int64) int64 {
	return free - min(keptFree, total/10)
}
