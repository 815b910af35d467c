package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAMisspelledVariableStopsTheStartAndNamesTheRightOne(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"ALLCLEAR_RELEY=smtp://x", "ALLCLEAR_RELEY is not a setting; did you mean ALLCLEAR_RELAY?"},
		{"ALLCLEAR_LSITEN=:1", "ALLCLEAR_LSITEN is not a setting; did you mean ALLCLEAR_LISTEN?"},
		{"ALLCLEAR_SECRET_FLIE=x", "ALLCLEAR_SECRET_FLIE is not a setting; did you mean ALLCLEAR_SECRET_FILE?"},
		{"ALLCLEAR_SMSS=x", "ALLCLEAR_SMSS is not a setting; did you mean ALLCLEAR_SMS?"},
		{"ALLCLEAR_FROM_FILE=x", "ALLCLEAR_FROM_FILE is not a setting"},
		{"ALLCLEAR_EMPTY=", "ALLCLEAR_EMPTY is not a setting of this version"},
	} {
		_, err := readEnvironment([]string{"PATH=/bin", c.line})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.line, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %q", c.line, err)
		}
	}
}

func TestVariablesOfTestsAndOfOthersAreLeftAlone(t *testing.T) {
	env, err := readEnvironment([]string{"ALLCLEAR_TEST_STRICT=1", "ALLCLEARING=1", "allclear_x=1", "ALLCLEAR_RELAY=", "ALLCLEAR_FROM=a@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if len(env.read) != 1 || env.read["FROM"] != "a@example.com" {
		t.Fatalf("read %v; an empty variable counts as unset", env.read)
	}
}

func TestASecretIsReadFromItsFileTwin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "relay")
	if err := os.WriteFile(file, []byte("smtp://relay.example.com\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env, err := readEnvironment([]string{"ALLCLEAR_RELAY_FILE=" + file})
	if err != nil || env.read["RELAY"] != "smtp://relay.example.com" {
		t.Fatalf("read %v, %v", env, err)
	}
	_, err = readEnvironment([]string{"ALLCLEAR_RELAY_FILE=" + file, "ALLCLEAR_RELAY=smtp://x"})
	if err == nil || !strings.Contains(err.Error(), "ALLCLEAR_RELAY_FILE too") {
		t.Fatalf("both at once: %v", err)
	}
	_, err = readEnvironment([]string{"ALLCLEAR_SECRET_FILE=" + file + ".none"})
	if err == nil || !strings.Contains(err.Error(), "ALLCLEAR_SECRET_FILE: "+file+".none: no such file") {
		t.Fatalf("missing file: %v", err)
	}
}

func TestDatabaseURLIsAcceptedWhereNothingElseIsSaid(t *testing.T) {
	env, err := readEnvironment([]string{"DATABASE_URL=postgres://a"})
	if err != nil || env.read["DATABASE"] != "postgres://a" {
		t.Fatalf("read %v, %v", env, err)
	}
	env, err = readEnvironment([]string{"DATABASE_URL=postgres://a", "ALLCLEAR_DATABASE=b.db"})
	if err != nil || env.read["DATABASE"] != "b.db" {
		t.Fatalf("read %v, %v", env, err)
	}
}

// TestEveryWrongValueNamesItsVariableOnOneLine starts the true program with one
// wrong setting at a time.
func TestEveryWrongValueNamesItsVariableOnOneLine(t *testing.T) {
	good := map[string]string{
		"ALLCLEAR_DATABASE": filepath.Join(t.TempDir(), "a.db"), "ALLCLEAR_LISTEN": "127.0.0.1:0",
		"ALLCLEAR_FROM": "status@example.com", "ALLCLEAR_RELAY": "mailbox:",
	}
	for _, c := range []struct{ name, value, want string }{
		{"DATABASE", "mysql://u:geheim@h/db", "mysql:// is not supported"},
		{"LISTEN", "8080", `"8080" is not HOST:PORT`},
		{"LISTEN", "127.0.0.1:http", `"http" is no port`},
		{"LISTEN", "127.0.0.1:70000", `"70000" is no port`},
		{"METRICS_LISTEN", "x", "is not HOST:PORT"},
		{"TRUSTED_PROXIES", "10.0.0.0/8,proxy", `"proxy" is no network`},
		{"BASE_URL", "status.example.com", "is no address of a site"},
		{"BASE_URL", "https://status.example.com/page?x", "write scheme and host only, such as https://status.example.com"},
		{"SECRET", "geheim", "6 bytes; at least 32 are needed"},
		{"NAME", "a\nb", "on one line"},
		{"LOGO", "logo.png", `"logo.png" is no address of a picture`},
		{"COLOR", "teal", `"teal" is no colour`},
		{"FROM", "", "is not set"},
		{"FROM", "status", "is no address"},
		{"FROM", "Bj\u00f6rn <bj\u00f6rn@example.com>", "SMTPUTF8"},
		{"RELAY", "", "is not set"},
		{"RELAY", "http://user:geheim@host", "must begin with smtp:// or smtps://"},
		{"RELAY", "smtp://user:geheim@host:0", "port"},
		{"SMTP_CONNECTIONS", "many", "is not a number from 1 to 1000"},
		{"SMTP_CONNECTIONS", "0", "is not a number from 1 to 1000"},
		{"DKIM", "example.com:s1", "is not domain:selector:keyfile"},
		{"DKIM", "example.com:s1:/nowhere/key.pem", "/nowhere/key.pem"},
		{"SIGNER", "openssl", `"openssl" is not one of auto, go, libcrypto`},
		{"BOUNCE_DOMAIN", "bounces", "dot"},
		{"TIMEZONE", "Oslo", "is no time zone; use a name like Europe/Oslo"},
		{"TIMEZONE", "Local", "is no time zone"},
		{"LANGUAGE", "english!", "is no language"},
		{"LANGUAGE", "pt", `no texts in "pt"; there are en, ar, de, es, fr, ja`},
		{"TEMPLATES", "/nowhere", "is no folder"},
		{"RETENTION", "forever", `"forever" is not whole days, one at least; write 90d or 2160h`},
		{"ALERT", "ops@example.com,kari", "number 2: "},
		{"ALERT", ",", "names nobody"},
		{"ALERT", "ops@example.com,OPS@example.com ,ops@example.com", "the address stands there twice"},
		{"ALERT", "ftp://host.example/geheim", "ftp:// is not called; write https://"},
		{"ALERT", "http://host.example/geheim", "write https://; http is only for addresses that ALLCLEAR_WEBHOOK_ALLOW opens"},
		{"ALERT", "https://kari:geheim@host.example/", "a name or password before the host"},
		{"ALERT", "https://host.example/#geheim", "holds a #"},
		{"ALERT", "https:///geheim", "has no host"},
		{"ALERT", "https://10.1.2.3/geheim", "10.1.2.3 is"},
		{"ALERT", "https://host.example:x/geheim", "is no URL"},
		{"ALERT", "https://host.example/geheim,https://host.example/geheim", "number 2: the endpoint stands there twice"},
		{"DIGEST_HOUR", "24", `"24" is no hour of the day; write 0 to 23`},
		{"DIGEST_HOUR", "noon", `"noon" is no hour of the day; write 0 to 23`},
		{"HOLD_DOWN", "90", `"90" is no time that news can wait; write off, 90s, 5m, at most 24h`},
		{"HOLD_DOWN", "-5m", "at most 24h"},
		{"HOLD_DOWN", "25h", "at most 24h"},
		{"MAINTENANCE_REMINDERS", "24", `"24" is no list of times; write off, or 24h,1h: each once, from 1m to 720h`},
		{"MAINTENANCE_REMINDERS", "1h,1h", "each once"},
		{"MAINTENANCE_REMINDERS", "1h,", "is no list of times"},
		{"LOG", "loud", `"loud" is not one of text, json`},
	} {
		var environ []string
		for k, v := range good {
			if k != prefix+c.name {
				environ = append(environ, k+"="+v)
			}
		}
		environ = append(environ, prefix+c.name+"="+c.value)
		code, out, errs := runOnce(t, environ, "serve")
		if code != exitUsage || out != "" {
			t.Errorf("%s=%q: exit %d, %q", c.name, c.value, code, out)
		}
		if !strings.HasPrefix(errs, "allclear: "+prefix+c.name+" (--") || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s=%q: %q; want one line with %q", c.name, c.value, errs, c.want)
		}
		if strings.Contains(errs, "geheim") {
			t.Errorf("%s=%q: a secret stands in %q", c.name, c.value, errs)
		}
	}
	if _, err := os.Stat(good["ALLCLEAR_DATABASE"]); err == nil {
		t.Error("a wrong setting left a database behind")
	}
}

func TestAFlagWinsOverItsVariable(t *testing.T) {
	code, _, errs := runOnce(t, []string{"ALLCLEAR_TIMEZONE=Oslo"}, "serve", "--timezone", "Bergen")
	if code != exitUsage || !strings.Contains(errs, `"Bergen"`) {
		t.Fatalf("exit %d, %q", code, errs)
	}
}

func TestASecretIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	s := Storage{Base: Base{Database: filepath.Join(t.TempDir(), "a.db")}}
	env := &environment{}
	first, from, err := s.secret(env)
	if err != nil || from != secretMade || len(first) < minSecret {
		t.Fatalf("made %q, %v, %v", first, from, err)
	}
	again, from, err := s.secret(env)
	if err != nil || from != secretKept || string(again) != string(first) {
		t.Fatalf("again %q, %v", again, err)
	}
	folder := strings.TrimSuffix(s.Database, ".db") + ".state"
	for path, want := range map[string]os.FileMode{folder: 0o700, filepath.Join(folder, "secret"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "secret.new*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestTwoProcessesThatStartAtOnceAgreeOnOneSecret(t *testing.T) {
	s := Storage{State: t.TempDir(), Base: Base{Database: "postgres://x"}}
	keys := make(chan string, 16)
	for range cap(keys) {
		go func() {
			key, _, err := s.secret(&environment{})
			if err != nil {
				t.Error(err)
			}
			keys <- string(key)
		}()
	}
	first := <-keys
	for range cap(keys) - 1 {
		if k := <-keys; k != first {
			t.Fatalf("%q and %q", first, k)
		}
	}
}

func TestStateIsKeptBesideTheFileElseInTheUsersFolder(t *testing.T) {
	for _, c := range []struct {
		s    Storage
		vars map[string]string
		want string
	}{
		{Storage{Base: Base{Database: "/srv/allclear.db"}}, nil, "/srv/allclear.state"},
		{Storage{Base: Base{Database: "/srv/data"}, State: "/var/lib/x"}, nil, "/var/lib/x"},
		{Storage{Base: Base{Database: "postgres://h/d"}}, map[string]string{"HOME": "/home/u"}, "/home/u/.local/state/allclear"},
		{Storage{Base: Base{Database: "postgres://h/d"}}, map[string]string{"HOME": "/home/u", "XDG_STATE_HOME": "/st"}, "/st/allclear"},
	} {
		if got, err := c.s.stateFolder(&environment{vars: c.vars}); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v; want %q", c.s, got, err, c.want)
		}
	}
	if _, err := (&Storage{Base: Base{Database: "postgres://h/d"}}).stateFolder(&environment{}); err == nil || !strings.Contains(err.Error(), "ALLCLEAR_STATE") {
		t.Errorf("without a home: %v", err)
	}
}
