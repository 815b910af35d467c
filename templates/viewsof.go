package templates

import (
	"path"
	"slices"
	"strings"

	"allclear/notifier"
)

// ViewsOf lists the views that show a file, the best first; none of what pages load.
func ViewsOf(file string) []string {
	var mails, pages []string
	for _, v := range views() {
		if v.name != "test" {
			mails = append(mails, v.name)
		}
	}
	mails = append(append(mails, notifier.NoticeTemplates...), "test")
	for _, p := range pageNames() {
		pages = append(pages, "page/"+p)
	}
	first := func(names []string, wanted ...string) []string {
		out := slices.Clone(wanted)
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return out
	}
	own := strings.TrimSuffix(path.Base(file), ".html")
	switch {
	case file == noticeFile, file == "mail/notice.css", file == "mail/partials/rows.html":
		return first(notifier.NoticeTemplates, notifier.RestoreCompleted)
	case strings.HasPrefix(file, "mail/"):
		var out []string
		for _, v := range views() {
			if v.file == file {
				out = append(out, v.name)
			}
		}
		if out != nil {
			return out
		}
		return first(mails, "incident-updated")
	case strings.HasPrefix(file, "page/") && slices.Contains(pageNames(), own) && path.Dir(file) == "page":
		return []string{"page/" + own}
	case strings.HasPrefix(file, "page/"):
		return first(pages, "page/"+PageHome)
	case strings.HasPrefix(file, "lang/"):
		return append(first(mails, "incident-updated"), pages...)
	}
	return nil
}

// LanguageOf is the language whose words a file holds; "" of every other file.
func LanguageOf(file string) string {
	if path.Dir(file) != "lang" {
		return ""
	}
	return strings.TrimSuffix(path.Base(file), ".json")
}
