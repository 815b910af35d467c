//go:build static || android || !linux || !(amd64 || arm64)

package signer

import (
	"crypto"
	"crypto/rsa"
	"errors"
)

var errWithout = errors.New("this program was built without libcrypto")

func foreign(*rsa.PrivateKey, string, func(error)) (crypto.Signer, error) { return nil, errWithout }
