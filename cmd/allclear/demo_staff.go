package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/store"
)

// hireDemo sets two people up on the demo's console, so that one can agree to
// the other's notice, and says how they sign in: by recovery codes, because
// nobody has an authenticator at hand.
func hireDemo(ctx context.Context, db *store.Store) (string, error) {
	var says strings.Builder
	for _, who := range []notifier.Staff{{Name: "demo", Role: notifier.RoleAdmin}, {Name: "second", Role: notifier.RoleApprover}} {
		password := strings.ToLower(rand.Text()[:16])
		credentials, codes := console.NewCredentials(password)
		link := sha256.Sum256([]byte(rand.Text()))
		who.LinkUntil = db.Now().Add(time.Minute)
		if _, err := db.AddStaff(ctx, who, link); err != nil {
			return "", err
		}
		if _, err := db.SetUpStaff(ctx, link, credentials); err != nil {
			return "", err
		}
		fmt.Fprintf(&says, "    %-7s (%s)  password %s  code %s\n                       then %s\n", who.Name, who.Role, password, codes[0], strings.Join(codes[1:4], ", "))
	}
	return says.String(), nil
}
