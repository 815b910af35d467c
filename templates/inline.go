package templates

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/vanng822/go-premailer/premailer"
	"golang.org/x/net/html"
)

// inline writes the rules of css into the elements of one file of a mail, as
// many mail programs read no style sheet. It runs when the set is made, on the
// template itself: actions are put aside meanwhile, because an html parser
// would move or escape them. So every file must be balanced html on its own,
// actions may stand in text and in quoted attributes only, rows that come in a
// loop need a <tbody> around the loop, and the rules must not look beyond one
// element (a class, a tag).
func inline(name, src, css string) (string, error) {
	held, actions, err := hold(name, src, true)
	if err != nil {
		return "", err
	}
	document := strings.Contains(strings.ToLower(held), "<html")
	page := held
	sheet := "<style>" + css + "</style>"
	if document {
		page = strings.Replace(page, "</head>", sheet+"</head>", 1)
	} else {
		page = "<html><head>" + sheet + "</head><body>" + held + "</body></html>"
	}
	p, err := premailer.NewPremailerFromString(page, premailer.NewOptions(premailer.WithCssToAttributes(false)))
	if err != nil {
		return "", fmt.Errorf("templates: %s: read html: %w", name, err)
	}
	out, err := p.Transform()
	if err != nil {
		return "", fmt.Errorf("templates: %s: inline styles: %w", name, err)
	}
	if !document {
		_, out, _ = strings.Cut(out, "<body")
		_, out, _ = strings.Cut(out, ">")
		out = out[:strings.LastIndex(out, "</body>")]
	}
	if lost := lostTag(held, out); lost != "" {
		return "", fmt.Errorf("templates: %s:%d: <%s> cannot stand there: each file must be balanced html on its own",
			name, lineOf(src, "<"+lost), lost)
	}
	out = strings.ReplaceAll(out, ` data-premailer="ignore"`, "")
	return release(out, actions), nil
}

var heldMark = regexp.MustCompile(`(?:<|&lt;)!--held(\d+)--(?:>|&gt;)|held(\d+)dleh`)

// hold puts the actions of a template aside and finds tags that do not end. If
// strict, an action may not stand in a tag beside its attributes.
func hold(name, src string, strict bool) (string, []string, error) {
	var out strings.Builder
	var actions []string
	tag, quote, began := false, byte(0), 0
	line := func(i int) int { return strings.Count(src[:i], "\n") + 1 }
	for i := 0; i < len(src); {
		c := src[i]
		if strings.HasPrefix(src[i:], "{{") {
			end := actionEnd(src, i)
			n := strconv.Itoa(len(actions))
			actions = append(actions, src[i:end])
			switch {
			case quote != 0:
				out.WriteString("held" + n + "dleh")
			case tag && strict:
				return "", nil, fmt.Errorf("templates: %s:%d: an action inside a tag must stand in a quoted attribute", name, line(i))
			default:
				out.WriteString("<!--held" + n + "-->")
			}
			i = end
			continue
		}
		if !tag && strings.HasPrefix(src[i:], "<!--") {
			if n := strings.Index(src[i:], "-->"); n > 0 {
				out.WriteString(src[i : i+n+3])
				i += n + 3
				continue
			}
		}
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case tag && (c == '"' || c == '\''):
			quote = c
		case tag && c == '>':
			tag = false
		case c == '<' && i+1 < len(src) && (src[i+1] == '/' || src[i+1] == '!' || src[i+1]|0x20 >= 'a' && src[i+1]|0x20 <= 'z'):
			tag, began = true, i
		}
		out.WriteByte(c)
		i++
	}
	if tag {
		return "", nil, fmt.Errorf("templates: %s:%d: the tag that begins here does not end", name, line(began))
	}
	return out.String(), actions, nil
}

// actionEnd finds the end of the action that begins at i, looking past strings
// and comments. An action that does not end takes all there is; parsing names it later.
func actionEnd(src string, i int) int {
	quote := byte(0)
	for j := i + 2; j < len(src); j++ {
		c := src[j]
		switch {
		case quote != 0:
			if c == '\\' && quote != '`' {
				j++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '`' || c == '\'':
			quote = c
		case strings.HasPrefix(src[j:], "/*"):
			if n := strings.Index(src[j+2:], "*/"); n >= 0 {
				j += n + 3
			}
		case strings.HasPrefix(src[j:], "}}"):
			return j + 2
		}
	}
	return len(src)
}

func release(s string, actions []string) string {
	return heldMark.ReplaceAllStringFunc(s, func(m string) string {
		sub := heldMark.FindStringSubmatch(m)
		n, err := strconv.Atoi(sub[1] + sub[2])
		if err != nil || n >= len(actions) {
			return m
		}
		return actions[n]
	})
}

// lostTag names an element of before that an html parser dropped from after.
func lostTag(before, after string) string {
	count := tags(after)
	for tag, n := range tags(before) {
		if count[tag] < n {
			return tag
		}
	}
	return ""
}

func tags(s string) map[string]int {
	out := map[string]int{}
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return out
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			out[string(name)]++
		}
	}
}

func lineOf(src, part string) int {
	before, _, _ := strings.Cut(src, part)
	return strings.Count(before, "\n") + 1
}

// stylesOf reads the style that the rules of css give to each of some elements.
func stylesOf(css string, elements []string) ([]string, error) {
	out, err := inline("style.css", strings.Join(elements, "\n"), css)
	if err != nil {
		return nil, err
	}
	var styles []string
	z := html.NewTokenizer(strings.NewReader(out))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(styles) != len(elements) {
				return nil, fmt.Errorf("templates: style.css: %d of %d elements have been read", len(styles), len(elements))
			}
			return styles, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			style := ""
			for _, a := range z.Token().Attr {
				if a.Key == "style" {
					style = a.Val
				}
			}
			styles = append(styles, style)
		}
	}
}
