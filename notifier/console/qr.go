package console

import (
	"fmt"
	"html/template"
	"strings"

	"rsc.io/qr"
)

// quiet is the margin that a reader of QR codes wants, in modules (ISO/IEC 18004).
const quiet = 4

// picture is a text as a QR code, in an SVG that is dark on light by night too;
// "" where it is too long for one.
func picture(text, title string) template.HTML {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return ""
	}
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	side := code.Size + 2*quiet
	return template.HTML(fmt.Sprintf(`<svg class="qr" viewBox="0 0 %d %d" role="img" aria-label="%s"><rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="%s"/></svg>`, //nolint:gosec // numbers, and a title that is escaped
		side, side, template.HTMLEscapeString(title), side, side, path.String()))
}
