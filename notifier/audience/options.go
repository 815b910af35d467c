package audience

import (
	"hash"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// The shapes of a file.
const (
	csvFormat = "csv"
	ndjson    = "ndjson"
)

// Options say how a file is to be read. The zero value of each but Check lets
// the file itself tell.
type Options struct {
	// Map gives columns of the file our names: "email" -> "E-Mail". The
	// columns email (or address), channel, language, timezone and account say
	// who is meant; every other one is data for the template.
	Map map[string]string
	// Numbers are the columns, by our name or the file's, that hold amounts: their
	// numbers are written as the reader's language does. Those of any other column
	// may be somebody's, or the name of a folder, and stay as they are.
	Numbers []string
	// Delimiter stands between cells: ',', ';', '\t' or '|'. 0 is the one that
	// the header uses most.
	Delimiter byte
	// Encoding is utf-8, utf-16, utf-16le, utf-16be or windows-1252. "" is
	// UTF-16 where the file begins like it and UTF-8 otherwise. A byte order
	// mark in the file outweighs what is given here.
	Encoding string
	// Zone is where times without an offset were written down; nil is UTC.
	Zone *time.Location
	// Format is csv or ndjson; "" is ndjson where the file begins with {.
	Format string
	// Check returns an address as it is kept, or what is wrong with it (the
	// Message of a *notifier.Invalid is shown). Mandatory.
	Check func(notifier.Channel, string) (string, error)
	// From is where an earlier Reader of the same file with the same options
	// stood, and where the input begins now; the zero Point is the beginning.
	From Point
	// Sum gets the bytes of the file, as far as the Point has come; nil is nobody.
	Sum hash.Hash
}

// delimiters by the words that can be written for them, besides themselves.
var delimiters = map[string]byte{"comma": ',', "semicolon": ';', "tab": '\t', `\t`: '\t', "pipe": '|'}

// encodings by the names they go under. What calls itself Latin-1 is
// windows-1252 as a rule, and where it is not, the two differ in control
// characters only (WHATWG Encoding, section 4.2).
var encodings = map[string]string{
	"utf-8": utf8Name, "utf8": utf8Name, "us-ascii": utf8Name, "ascii": utf8Name,
	"utf-16": utf16Any, "utf16": utf16Any, "utf-16le": utf16LE, "utf-16be": utf16BE,
	"windows-1252": windows1252, "cp1252": windows1252, "iso-8859-1": windows1252, "latin1": windows1252,
}

// ParseOptions reads options as a URL carries them,
//
//	map=email:E-Mail&map=subject:Betreff&delimiter=;&encoding=windows-1252&timezone=Europe/Oslo&numbers=count,size
//
// and the Content-Type of the body, which may be "". It takes the raw query,
// because url.ParseQuery drops a parameter that holds a bare semicolon, which
// is just what people write here. A parameter that is wrong or not known is a
// *notifier.Invalid that names it. Check and From are left to the caller.
func ParseOptions(query, contentType string) (Options, error) {
	o := Options{Map: map[string]string{}}
	if err := o.contentType(contentType); err != nil {
		return Options{}, err
	}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(strings.TrimPrefix(query, "?"), "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(key)
		if err != nil {
			return Options{}, notifier.Invalidf(notifier.Clip(key), "is not a parameter: %s", err)
		}
		text, err := url.QueryUnescape(value)
		if err != nil {
			return Options{}, notifier.Invalidf(notifier.Clip(name), "%q cannot be read: %s", notifier.Clip(value), err)
		}
		if seen[name] && name != "map" && name != "numbers" {
			return Options{}, notifier.Invalidf(notifier.Clip(name), "is given twice")
		}
		seen[name] = true
		if bad := o.set(name, text); bad != nil {
			return Options{}, bad
		}
	}
	return o, nil
}

func (o *Options) set(name, text string) *notifier.Invalid {
	switch name {
	case "map":
		return o.addMap(text)
	case "numbers":
		return o.addNumbers(text)
	case "delimiter":
		d, ok := delimiters[strings.ToLower(text)]
		if !ok && len(text) == 1 && strings.Contains(",;\t|", text) {
			d, ok = text[0], true
		}
		if !ok {
			return notifier.Invalidf(name, "%q is not one of comma, semicolon, tab, pipe", notifier.Clip(text))
		}
		o.Delimiter = d
	case "encoding":
		e, ok := encodings[strings.ToLower(text)]
		if !ok {
			return notifier.Invalidf(name, "%q is not one of utf-8, utf-16, windows-1252", notifier.Clip(text))
		}
		o.Encoding = e
	case "timezone":
		zone, err := time.LoadLocation(text)
		if err != nil || text == "" || text == "Local" {
			return notifier.Invalidf(name, "%q is no time zone; use a name like Europe/Oslo", notifier.Clip(text))
		}
		o.Zone = zone
	default:
		return notifier.Invalidf(notifier.Clip(name), "is not known here; known are delimiter, encoding, map, numbers, timezone")
	}
	return nil
}

func (o *Options) addMap(text string) *notifier.Invalid {
	ours, theirs, ok := strings.Cut(text, ":")
	ours, theirs = tidy(ours), tidy(theirs)
	if slices.Contains(routing, strings.ToLower(ours)) {
		ours = strings.ToLower(ours)
	}
	switch {
	case !ok || ours == "" || theirs == "":
		return notifier.Invalidf("map", "%q: write our column, a colon and the file's column, such as map=email:E-Mail", notifier.Clip(text))
	case o.Map[ours] != "":
		return notifier.Invalidf("map", "%q is mapped twice", notifier.Clip(ours))
	}
	for _, t := range o.Map {
		if t == theirs {
			return notifier.Invalidf("map", "%q is mapped twice", notifier.Clip(theirs))
		}
	}
	o.Map[ours] = theirs
	return nil
}

// addNumbers takes the names of columns, with commas between.
func (o *Options) addNumbers(text string) *notifier.Invalid {
	for name := range strings.SplitSeq(text, ",") {
		switch name = tidy(name); {
		case name == "":
			return notifier.Invalidf("numbers", "%q: write the names of columns with commas between, such as count,size", notifier.Clip(text))
		case roleOf(name) != data || notifier.TextColumn(name):
			return notAmount(name)
		}
		o.Numbers = append(o.Numbers, name)
	}
	return nil
}

// contentType takes what a Content-Type says: the format, and the encoding by
// its charset. What does not say (text/plain, octet-stream, none) leaves it to
// the file.
func (o *Options) contentType(header string) error {
	if header == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(header)
	if err != nil {
		return notifier.Invalidf("Content-Type", "%q cannot be read", notifier.Clip(header))
	}
	switch media {
	case "text/csv", "application/csv", "text/tab-separated-values":
		o.Format = csvFormat
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		o.Format = ndjson
	case "text/plain", "application/octet-stream", "application/x-www-form-urlencoded": // the last is what curl -d says of anything
	default:
		return notifier.Invalidf("Content-Type", "%q is neither text/csv nor application/x-ndjson", notifier.Clip(media))
	}
	if c := params["charset"]; c != "" {
		e, ok := encodings[strings.ToLower(c)]
		if !ok {
			return notifier.Invalidf("Content-Type", "the charset %q is not one of utf-8, utf-16, windows-1252", notifier.Clip(c))
		}
		o.Encoding = e
	}
	return nil
}
