//go:build linux && !android && (amd64 || arm64) && !static

package signer

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// contextsPerCPU is how many signatures a processor may have under way: with one,
// a seventh of two processors stood idle.
const contextsPerCPU = 4

// rsaPKCS1Padding is OpenSSL's RSA_PKCS1_PADDING.
const rsaPKCS1Padding = 1

// key is an RSA key that libcrypto signs with. Go's stands behind it: it signs
// what is asked for in another way, and whenever libcrypto fails.
type key struct {
	own  *rsa.PrivateKey
	lib  *library
	pkey uintptr // EVP_PKEY
	// free holds the contexts that nobody signs with. An EVP_PKEY_CTX is for one
	// caller at a time and not free to make. There are some for each processor: who
	// comes back from C with a signature may wait for Go's scheduler, and another
	// signs meanwhile.
	free  chan *context
	made  int
	close sync.Once

	failed func(error) // may be nil
	told   sync.Once
}

// context is one EVP_PKEY_CTX, made ready to sign.
type context struct {
	handle uintptr
	length uintptr // of the signature: how much room there is, then how much was used
}

// foreign makes a signer of k with the library of that name. It has signed as Go
// does, with every context, before anybody gets it.
func foreign(k *rsa.PrivateKey, name string, failed func(error)) (crypto.Signer, error) {
	lib, err := load(name)
	if err != nil {
		return nil, err
	}
	want, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, sample[:])
	if err != nil {
		return nil, fmt.Errorf("sign with Go, for comparison: %w", err)
	}
	runtime.LockOSThread() // errors are kept by thread
	defer runtime.UnlockOSThread()
	out := &key{own: k, lib: lib, failed: failed, free: make(chan *context, contextsPerCPU*runtime.GOMAXPROCS(0))}
	if out.pkey, err = lib.readKey(k); err != nil {
		return nil, err
	}
	for range cap(out.free) {
		c, err := lib.newContext(out.pkey)
		if err == nil {
			out.free <- c
			out.made++
			err = out.try(c, want)
		}
		if err != nil {
			return nil, errors.Join(err, out.Close())
		}
	}
	return out, nil
}

// readKey hands k over to the library. The copy in between is wiped.
func (l *library) readKey(k *rsa.PrivateKey) (uintptr, error) {
	der := x509.MarshalPKCS1PrivateKey(k)
	defer clear(der)
	// SyscallN keeps what its arguments point to in place, but this is one step further.
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&der[0])
	at := uintptr(unsafe.Pointer(&der[0])) // d2i_AutoPrivateKey moves it behind what it read
	pkey, _, _ := purego.SyscallN(l.autoPrivateKey, 0, uintptr(unsafe.Pointer(&at)), uintptr(len(der)))
	if pkey == 0 {
		return 0, l.fault("d2i_AutoPrivateKey")
	}
	return pkey, nil
}

func (l *library) newContext(pkey uintptr) (*context, error) {
	handle, _, _ := purego.SyscallN(l.contextNew, pkey, 0)
	if handle == 0 {
		return nil, l.fault("EVP_PKEY_CTX_new")
	}
	digest, _, _ := purego.SyscallN(l.sha256)
	for _, step := range []struct {
		call string
		fn   uintptr
		args []uintptr
	}{
		{"EVP_PKEY_sign_init", l.signInit, []uintptr{handle}},
		{"EVP_PKEY_CTX_set_rsa_padding", l.setPadding, []uintptr{handle, rsaPKCS1Padding}},
		{"EVP_PKEY_CTX_set_signature_md", l.setSignatureMD, []uintptr{handle, digest}},
	} {
		if r, _, _ := purego.SyscallN(step.fn, step.args...); int32(r) <= 0 { // a C int
			err := l.fault(step.call)
			purego.SyscallN(l.contextFree, handle)
			return nil, err
		}
	}
	return &context{handle: handle}, nil
}

// sample is what every context signs first.
var sample = sha256.Sum256([]byte("allclear"))

// try compares a signature of sample by c with Go's.
func (k *key) try(c *context, want []byte) error {
	got, err := k.signWith(c, sample[:])
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("libcrypto's signature is not the same as Go's")
	}
	return nil
}

// Public is the key's public half.
func (k *key) Public() crypto.PublicKey { return k.own.Public() }

// Sign signs a SHA-256 digest as PKCS #1 version 1.5, which is what DKIM asks for.
func (k *key) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); !pss && opts.HashFunc() == crypto.SHA256 && len(digest) == sha256.Size {
		if c, open := <-k.free; open {
			out, err := k.signWith(c, digest)
			k.free <- c
			if err == nil {
				return out, nil
			}
			k.tell(err)
		}
	}
	return k.own.Sign(random, digest, opts)
}

// tell says once that Go signs for libcrypto, which takes four times as long.
func (k *key) tell(why error) {
	if k.failed != nil {
		k.told.Do(func() { k.failed(why) })
	}
}

func (k *key) signWith(c *context, digest []byte) ([]byte, error) {
	out := make([]byte, k.own.Size())
	c.length = uintptr(len(out))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, _, _ := purego.SyscallN(k.lib.sign, c.handle, uintptr(unsafe.Pointer(&out[0])), uintptr(unsafe.Pointer(&c.length)),
		uintptr(unsafe.Pointer(&digest[0])), uintptr(len(digest)))
	if int32(r) <= 0 || c.length != uintptr(len(out)) { // a C int
		return nil, k.lib.fault("EVP_PKEY_sign")
	}
	return out, nil
}

// Close waits for who is signing and frees what the library holds.
func (k *key) Close() error {
	k.close.Do(func() {
		for range k.made {
			purego.SyscallN(k.lib.contextFree, (<-k.free).handle)
		}
		close(k.free)
		purego.SyscallN(k.lib.keyFree, k.pkey)
	})
	return nil
}
