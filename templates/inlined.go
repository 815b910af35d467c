package templates

import (
	"crypto/sha256"
	"fmt"
	"sync"
)

// maxInlined is how many files are kept: those of a few editions, in a few
// colours.
const maxInlined = 256

// inlined is what inline made of a file and a style sheet, which takes it a
// hundred times as long as all else that is done with one. Sets are made anew
// with every edit and every preview of one, and all files but one are then as
// they were.
var inlined = struct {
	sync.Mutex
	files map[[sha256.Size]byte]string
}{files: map[[sha256.Size]byte]string{}}

// inlineOnce is inline, or what it said before.
func inlineOnce(name, src, css string) (string, error) {
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", name, src, css))
	inlined.Lock()
	out, ok := inlined.files[key]
	inlined.Unlock()
	if ok {
		return out, nil
	}
	out, err := inline(name, src, css)
	if err != nil {
		return "", err
	}
	inlined.Lock()
	defer inlined.Unlock()
	if len(inlined.files) >= maxInlined {
		clear(inlined.files)
	}
	inlined.files[key] = out
	return out, nil
}
