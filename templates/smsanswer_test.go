package templates

import (
	"strings"
	"testing"

	"allclear/notifier"
)

func TestWhoWritesStopStartOrHelpIsAnsweredInTheirLanguageAndBriefly(t *testing.T) {
	s := newSet(t)
	seen := map[string]bool{}
	for _, language := range []string{"en", "de", "es", "fr", "ja", "ar", ""} {
		for _, what := range []string{"stopped", "started", "help"} {
			text := s.TextAnswer(what, language, "https://status.example.com/s/TOKENOF16CHARSxx")
			if n := notifier.MeasureText(notifier.PlainText(text)).Segments; n > 3 || !strings.Contains(text, "Example Status") {
				t.Errorf("%s in %q, %d parts: %s", what, language, n, text)
			}
			if seen[text] && language != "" {
				t.Errorf("%s in %q says what another says", what, language)
			}
			seen[text] = true
		}
	}
}
