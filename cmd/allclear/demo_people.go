package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// region is where some of the followers live: their zone, language, names and
// the domains of their addresses, all of them reserved for examples and tests.
type region struct {
	share    int // of 100
	zone     string
	language string
	given    string
	family   string
	domains  string
}

func regions() []region {
	return []region{
		{26, "Europe/Oslo", "nb", "Ingrid Jorunn Lars Sindre Tuva Eivind Marit", "Haugland Solberg Nygaard Vik Bakken", "example.com fjord.test"},
		{20, "Europe/Berlin", "de", "Anneliese Joerg Katrin Matthias Uwe Heike", "Mueller Schaefer Koenig Vogt Lindner", "example.org postfach.test"},
		{14, "America/New_York", "en", "Abigail Marcus Denise Trevor Ruth", "Whitfield Okafor Brennan Castillo", "example.net example.com"},
		{9, "America/Sao_Paulo", "pt-BR", "Joao Beatriz Caetano Luiza", "Azevedo Figueira Moura", "correio.test example.com"},
		{8, "Asia/Tokyo", "ja", "haruka kenji sayuri takumi", "ishikawa fujimoto ueda", "yubin.test example.org"},
		{7, "Europe/Warsaw", "pl", "Zofia Wojciech Malgorzata Kacper", "Wisniewska Zielinski Krol", "poczta.test example.net"},
		{6, "Asia/Kolkata", "en", "Ananya Rohan Meera Vikram", "Krishnan Deshpande Bose", "daak.test example.com"},
		{5, "Australia/Adelaide", "en", "Matilda Callum Imogen", "Hargreaves Nguyen Pell", "example.net post.test"},
		{3, "Africa/Nairobi", "sw", "Wanjiru Otieno Amani", "Kamau Mwangi Odhiambo", "barua.test example.org"},
		{2, "Pacific/Auckland", "mi", "Aroha Tane Mere", "Ngata Parata", "example.org mera.test"},
	}
}

// followers makes the n-th follower the same in every demo. None of them
// filters the story out, so that everyone is told of it.
func followers() func(n int) subscribers.Subscriber {
	dice := rand.New(rand.NewPCG(3975, 11)) //nolint:gosec // the same every time, on purpose
	pick := func(words string) string {
		list := strings.Fields(words)
		return list[dice.IntN(len(list))]
	}
	all := regions()
	return func(n int) subscribers.Subscriber {
		at := dice.IntN(100)
		r := all[0]
		for _, r = range all {
			if at -= r.share; at < 0 {
				break
			}
		}
		name := strings.ToLower(pick(r.given) + "." + pick(r.family))
		s := subscribers.Subscriber{
			Channel: notifier.Email, Address: fmt.Sprintf("%s%d@%s", name, n, pick(r.domains)), State: subscribers.Active,
			Cadence: subscribers.Instant, Timezone: r.zone, Language: r.language,
		}
		switch dice.IntN(20) {
		case 0:
			s.Cadence = subscribers.Milestones
		case 1, 2:
			s.Filter.Components = []string{"imap7", "web"}
		case 3:
			s.Filter.Severity = notifier.SeverityMajor
		case 4:
			s.Timezone, s.Language = "", "" // whatever the service thinks best
		}
		return s
	}
}

// joined spreads the followers' first days over the last four years.
func joined(n int, now time.Time) time.Time {
	return now.Add(-time.Duration(n%1460) * 24 * time.Hour)
}
