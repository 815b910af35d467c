package console

import (
	"encoding/base64"
	"fmt"
	"time"

	"golang.org/x/crypto/argon2"

	"allclear/notifier"
)

// Route is a route as tests see it.
type Route struct {
	Method, Path string
	Role         notifier.Role // "" is the door
}

// Routes lists every route.
func Routes() []Route {
	var out []Route
	for _, r := range (&console{}).routes() {
		out = append(out, Route{r.method, Path + r.path, r.role})
	}
	return out
}

// CodeAt is what an authenticator shows in a step.
func CodeAt(secret []byte, step int64) string { return codeAt(secret, step) }

// StepOf finds the step of a code.
var StepOf = stepOf

// Inside is where signing in leads.
var Inside = inside

// Hash makes a hash of a password as it is kept.
func Hash(password string) string { return newHasher().hash(password) }

// Quick is a hash that costs next to nothing, for people of tests that are not
// about passwords: what one costs to check stands in it.
func Quick(password string) string {
	const memory, passes = 8 * argonThreads, 1
	salt := random(argonSalt)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, argonThreads, b64(salt),
		b64(argon2.IDKey([]byte(password), salt, passes, memory, argonThreads, argonKey)))
}

// Decoy is what stands for the hash of a name that nobody has.
func Decoy() string { return newHasher().decoy }

// Matches checks one.
func Matches(phc, password string) bool { return newHasher().matches(phc, password) }

// Crowd is a new crowd at the door.
func Crowd() (enter func(network string, now time.Time) error, leave func(network string)) {
	c := &crowd{networks: map[string]time.Time{}}
	return c.enter, c.leave
}
