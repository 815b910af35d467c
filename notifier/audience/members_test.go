package audience_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/audience"
)

// house keeps one list of members in memory.
type house struct {
	list    []string
	dropped int
}

func (h *house) BeginMembers(_ context.Context, key string) (notifier.Upload, error) {
	if key != "imap7" {
		return notifier.Upload{}, notifier.ErrNotFound
	}
	return notifier.Upload{Edition: 3}, nil
}

func (h *house) AddMembers(_ context.Context, _ notifier.Upload, addresses []string) error {
	h.list = append(h.list, addresses...)
	return nil
}

func (h *house) FinishMembers(context.Context, notifier.Upload) (int64, error) {
	return int64(len(h.list)), nil
}

func (h *house) DropAudience(context.Context, notifier.Upload) error {
	h.dropped++
	return nil
}

func TestMembersAreReadFromAFileOrFromBareLines(t *testing.T) {
	for name, text := range map[string]string{
		"lines":          "ann@example.com\nbroken\nbob@example.com\n",
		"lines with BOM": "\ufeffann@example.com\r\nbroken\r\nbob@example.com\r\n",
		"CSV":            "name,email\nAnn,ann@example.com\nX,broken\nBob,bob@example.com\n",
		"NDJSON":         "{\"email\":\"ann@example.com\"}\n{\"email\":\"broken\"}\n{\"email\":\"bob@example.com\"}\n",
	} {
		var h house
		got, err := audience.LoadMembers(t.Context(), &h, strings.NewReader(text), "imap7", options(t, "", ""), nil)
		if err != nil || got.Members != 2 || got.Rejected != 1 || !slices.Equal(h.list, []string{"ann@example.com", "bob@example.com"}) {
			t.Errorf("%s: %+v, %v, %v", name, got, h.list, err)
			continue
		}
		line := 2
		if name == "CSV" {
			line = 3
		}
		if got.Rejects[0].Line != line {
			t.Errorf("%s: rejected line %d, want %d", name, got.Rejects[0].Line, line)
		}
	}
	h := house{}
	if _, err := audience.LoadMembers(t.Context(), &h, strings.NewReader("x\n@\n"), "imap7", options(t, "map=email:x", ""), nil); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") || !strings.Contains(err.Error(), "nothing is changed") {
		t.Errorf("a list of nobody: %v", err)
	}
}

func TestAListOfMembersThatBreaksOffIsDropped(t *testing.T) {
	torn := errors.New("connection reset")
	var h house
	in := io.MultiReader(strings.NewReader(strings.Repeat("ann@example.com\n", 2000)), iotestErr{torn})
	if _, err := audience.LoadMembers(t.Context(), &h, in, "imap7", options(t, "", ""), nil); !errors.Is(err, torn) || h.dropped != 1 {
		t.Errorf("%v, %d dropped", err, h.dropped)
	}
	if _, err := audience.LoadMembers(t.Context(), &h, strings.NewReader("a@example.com\n"), "nosuch", options(t, "", ""), nil); !errors.Is(err, notifier.ErrNotFound) || h.dropped != 1 {
		t.Errorf("%v, %d dropped", err, h.dropped)
	}
}
