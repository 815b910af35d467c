package signer

import (
	"crypto"
	"crypto/sha256"
	"testing"
)

// One RSA-2048 signature, by each that can make one here.
func BenchmarkSignRSA2048(b *testing.B) {
	digest := sha256.Sum256([]byte("x"))
	for _, m := range []Mode{Go, Libcrypto} {
		s, by, why := Wrap(sharedRSA(b), m, nil)
		b.Run(string(m), func(b *testing.B) {
			if by != m {
				b.Skip(why)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(nil, digest[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
