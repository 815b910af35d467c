package notifier

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// WritesNotices reports whether a file of templates is one that notices are
// written by: the mail's layout, words and look.
func WritesNotices(file string) bool {
	switch file {
	case "mail/layout.html", "mail/notice.html", "mail/style.css", "mail/dark.css", "mail/notice.css":
		return true
	}
	return strings.HasPrefix(file, "mail/partials/") || strings.HasPrefix(file, "lang/")
}

// NoticeText is a file that notices are written by.
type NoticeText struct {
	Hash   string // of what notices can print of it
	Chosen bool   // the folder's or somebody's edit, and other than what is below it
}

// MakeNoticeText names what notices can print of a file's text: of a language,
// all but the words of pages and feeds.
func MakeNoticeText(file, text string) NoticeText {
	words := map[string]json.RawMessage{}
	if strings.HasPrefix(file, "lang/") && json.Unmarshal([]byte(text), &words) == nil {
		maps.DeleteFunc(words, func(key string, _ json.RawMessage) bool {
			return strings.HasPrefix(key, "page.") || strings.HasPrefix(key, "feed.")
		})
		if plain, err := json.Marshal(words); err == nil { // by key, without space
			text = string(plain)
		}
	}
	return NoticeText{Hash: HashTemplate(text)}
}

// NoticeTexts are the texts that notices are written by, by file.
type NoticeTexts map[string]NoticeText

// String names them all, for ReadNoticeTexts.
func (t NoticeTexts) String() string {
	var out []string
	for _, file := range slices.Sorted(maps.Keys(t)) {
		mark := "="
		if t[file].Chosen {
			mark = "=+"
		}
		out = append(out, file+mark+t[file].Hash)
	}
	return strings.Join(out, " ")
}

// ReadNoticeTexts reads what String named.
func ReadNoticeTexts(name string) NoticeTexts {
	t := NoticeTexts{}
	for _, one := range strings.Fields(name) {
		file, hash, _ := strings.Cut(one, "=")
		hash, chosen := strings.CutPrefix(hash, "+")
		t[file] = NoticeText{hash, chosen}
	}
	return t
}

// Over says what t has otherwise than was, file by file.
func (t NoticeTexts) Over(was NoticeTexts) (other []string) {
	all := maps.Clone(was)
	maps.Copy(all, t)
	for _, file := range slices.Sorted(maps.Keys(all)) {
		if t[file].Hash != was[file].Hash {
			other = append(other, file)
		}
	}
	return other
}

// sameTexts reports whether what somebody agreed to by some texts stands by
// others. Once it goes out, only what was chosen counts: an update of the
// program stops no notice on its way.
func sameTexts(agreed, now string, begun bool) bool {
	if agreed == "" || now == "" || agreed == now {
		return true
	}
	was, is := ReadNoticeTexts(agreed), ReadNoticeTexts(now)
	for _, file := range is.Over(was) {
		if !begun || was[file].Chosen || is[file].Chosen {
			return false
		}
	}
	return true
}
