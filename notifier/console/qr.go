package console

import (
	"errors"
	"fmt"
	"html/template"
	"strings"
)

// A QR code (ISO/IEC 18004) of bytes, at the level of correction that is made
// for screens, in the ten smallest versions: as much as the address of a second
// factor takes.

// qrVersion is what of a version cannot be calculated.
type qrVersion struct {
	data, check, blocks int   // bytes of data in all; bytes of correction of each block
	align               []int // where the middles of alignment patterns cross
}

func qrVersions() []qrVersion {
	return []qrVersion{
		{19, 7, 1, nil}, {34, 10, 1, []int{6, 18}}, {55, 15, 1, []int{6, 22}}, {80, 20, 1, []int{6, 26}}, {108, 26, 1, []int{6, 30}},
		{136, 18, 2, []int{6, 34}}, {156, 20, 2, []int{6, 22, 38}}, {194, 24, 2, []int{6, 24, 42}}, {232, 30, 2, []int{6, 26, 46}}, {274, 18, 4, []int{6, 28, 50}},
	}
}

var errLong = errors.New("too long for a QR code")

// qr is a code in the making: its modules, and which of them belong to patterns.
type qr struct {
	size        int
	dark, fixed [][]bool
}

// qrOf makes the code of a text under one of the eight masks.
func qrOf(text string, mask int) (*qr, error) {
	for n, v := range qrVersions() {
		head := 2 // four bits of mode, eight of length
		if n+1 > 9 {
			head = 3
		}
		if len(text)+head > v.data {
			continue
		}
		q := &qr{size: 21 + 4*n}
		for range q.size {
			q.dark, q.fixed = append(q.dark, make([]bool, q.size)), append(q.fixed, make([]bool, q.size))
		}
		q.patterns(n+1, v)
		q.format(mask)
		q.fill(v.interleave(v.bytes(text, head)), mask)
		return q, nil
	}
	return nil, errLong
}

// set gives a module of a pattern its colour.
func (q *qr) set(x, y int, dark bool) { q.dark[y][x], q.fixed[y][x] = dark, true }

func (q *qr) patterns(version int, v qrVersion) {
	for i := range q.size { // the timing pattern
		q.set(6, i, i%2 == 0)
		q.set(i, 6, i%2 == 0)
	}
	far := q.size - 7
	for _, c := range [][2]int{{0, 0}, {far, 0}, {0, far}} {
		q.finder(c[0], c[1])
	}
	last := len(v.align) - 1
	for i, x := range v.align {
		for j, y := range v.align {
			if i == 0 && j == 0 || i == 0 && j == last || i == last && j == 0 {
				continue // a finder is there
			}
			for dy := -2; dy <= 2; dy++ {
				for dx := -2; dx <= 2; dx++ {
					q.set(x+dx, y+dy, max(dx, -dx, dy, -dy) != 1)
				}
			}
		}
	}
	if version >= 7 {
		bits := version<<12 | bch(version<<12, 0x1f25, 12)
		for i := range 18 {
			a, b, dark := q.size-11+i%3, i/3, bits>>i&1 == 1
			q.set(a, b, dark)
			q.set(b, a, dark)
		}
	}
}

// finder draws one with its light border, whose corner is at x, y.
func (q *qr) finder(x, y int) {
	for dy := -1; dy <= 7; dy++ {
		for dx := -1; dx <= 7; dx++ {
			if x+dx < 0 || y+dy < 0 || x+dx >= q.size || y+dy >= q.size {
				continue
			}
			ring := max(3-dx, dx-3, 3-dy, dy-3)
			q.set(x+dx, y+dy, ring != 2 && ring != 4)
		}
	}
}

// format draws level and mask, twice.
func (q *qr) format(mask int) {
	data := 1<<3 | mask // level L
	bits := (data<<10 | bch(data<<10, 0x537, 10)) ^ 0x5412
	for i := range 15 {
		dark := bits>>i&1 == 1
		switch {
		case i < 6:
			q.set(8, i, dark)
		case i < 8:
			q.set(8, i+1, dark)
		case i == 8:
			q.set(7, 8, dark)
		default:
			q.set(14-i, 8, dark)
		}
		if i < 8 {
			q.set(q.size-1-i, 8, dark)
		} else {
			q.set(8, q.size-15+i, dark)
		}
	}
	q.set(8, q.size-8, true)
}

// bch is the remainder of bits by a generator of degree n.
func bch(bits, generator, n int) int {
	for i := 31; i >= n; i-- {
		if bits>>i&1 == 1 {
			bits ^= generator << (i - n)
		}
	}
	return bits
}

// bytes are the text with its head and padding.
func (v qrVersion) bytes(text string, head int) []byte {
	var bits []bool
	add := func(value, n int) {
		for i := n - 1; i >= 0; i-- {
			bits = append(bits, value>>i&1 == 1)
		}
	}
	add(4, 4) // bytes
	add(len(text), 8*(head-1))
	for _, b := range []byte(text) {
		add(int(b), 8)
	}
	add(0, min(4, v.data*8-len(bits)))
	for len(bits)%8 != 0 {
		bits = append(bits, false)
	}
	out := make([]byte, 0, v.data)
	for i := 0; i < len(bits); i += 8 {
		b := byte(0)
		for _, bit := range bits[i : i+8] {
			b <<= 1
			if bit {
				b |= 1
			}
		}
		out = append(out, b)
	}
	for pad := byte(0xec); len(out) < v.data; pad ^= 0xec ^ 0x11 {
		out = append(out, pad)
	}
	return out
}

// interleave splits data into blocks and joins them with their correction.
func (v qrVersion) interleave(data []byte) []byte {
	var blocks, checks [][]byte
	short := v.data / v.blocks
	for i := range v.blocks {
		n := short
		if i >= v.blocks-v.data%v.blocks {
			n++
		}
		blocks, checks = append(blocks, data[:n]), append(checks, reedSolomon(data[:n], v.check))
		data = data[n:]
	}
	var out []byte
	for i := range short + 1 {
		for _, b := range blocks {
			if i < len(b) {
				out = append(out, b[i])
			}
		}
	}
	for i := range v.check {
		for _, c := range checks {
			out = append(out, c[i])
		}
	}
	return out
}

// times multiplies in GF(256) with the polynomial 0x11d.
func times(a, b byte) byte {
	out := byte(0)
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			out ^= a
		}
		carry := a&0x80 != 0
		if a <<= 1; carry {
			a ^= 0x1d
		}
	}
	return out
}

// reedSolomon is n bytes of correction of a block.
func reedSolomon(data []byte, n int) []byte {
	generator, root := []byte{1}, byte(1)
	for range n {
		next := make([]byte, len(generator)+1)
		for i, g := range generator {
			next[i] ^= g
			next[i+1] ^= times(g, root)
		}
		generator, root = next, times(root, 2)
	}
	rest := append(append([]byte{}, data...), make([]byte, n)...)
	for i := range data {
		for j, factor := 0, rest[i]; j < len(generator); j++ {
			rest[i+j] ^= times(generator[j], factor)
		}
	}
	return rest[len(data):]
}

// fill places bytes in pairs of columns from the right, up and down, masked.
func (q *qr) fill(data []byte, mask int) {
	at := 0
	for right := q.size - 1; right > 0; right -= 2 {
		if right == 6 { // the timing pattern's column
			right--
		}
		up := (right+1)&2 == 0
		for i := range q.size {
			y := i
			if up {
				y = q.size - 1 - i
			}
			for x := right; x > right-2; x-- {
				if q.fixed[y][x] {
					continue
				}
				bit := at < len(data)*8 && data[at/8]>>(7-at%8)&1 == 1
				q.dark[y][x] = bit != masked(mask, x, y)
				at++
			}
		}
	}
}

func masked(mask, x, y int) bool {
	switch mask {
	case 0:
		return (x+y)%2 == 0
	case 1:
		return y%2 == 0
	case 2:
		return x%3 == 0
	case 3:
		return (x+y)%3 == 0
	case 4:
		return (x/3+y/2)%2 == 0
	case 5:
		return x*y%2+x*y%3 == 0
	case 6:
		return (x*y%2+x*y%3)%2 == 0
	}
	return ((x+y)%2+x*y%3)%2 == 0
}

// even is how many squares of four have one colour: the fewer, the better a
// camera reads it.
func (q *qr) even() int {
	n := 0
	for y := range q.size - 1 {
		for x := range q.size - 1 {
			if d := q.dark[y][x]; d == q.dark[y][x+1] && d == q.dark[y+1][x] && d == q.dark[y+1][x+1] {
				n++
			}
		}
	}
	return n
}

// picture is the code as an SVG with a quiet zone of four modules, dark on light
// by night too.
func picture(text, title string) template.HTML {
	var best *qr
	for mask := range 8 {
		q, err := qrOf(text, mask)
		if err != nil {
			return ""
		}
		if best == nil || q.even() < best.even() {
			best = q
		}
	}
	var path strings.Builder
	for y, row := range best.dark {
		for x, dark := range row {
			if dark {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+4, y+4)
			}
		}
	}
	side := best.size + 8
	return template.HTML(fmt.Sprintf(`<svg class="qr" viewBox="0 0 %d %d" role="img" aria-label="%s"><rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="%s"/></svg>`, //nolint:gosec // numbers, and a title that is escaped
		side, side, template.HTMLEscapeString(title), side, side, path.String()))
}
