//go:build linux && !android && (amd64 || arm64) && !static

package signer

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is what is used of libcrypto: the addresses of its functions. It is
// never unloaded, because threads may still hold state of its own.
type library struct {
	autoPrivateKey  uintptr // d2i_AutoPrivateKey
	keyFree         uintptr // EVP_PKEY_free
	contextNew      uintptr // EVP_PKEY_CTX_new
	contextFree     uintptr // EVP_PKEY_CTX_free
	signInit        uintptr // EVP_PKEY_sign_init
	setPadding      uintptr // EVP_PKEY_CTX_set_rsa_padding
	setSignatureMD  uintptr // EVP_PKEY_CTX_set_signature_md
	sha256          uintptr // EVP_sha256
	sign            uintptr // EVP_PKEY_sign
	clearErrors     uintptr // ERR_clear_error
	lastError       uintptr // ERR_peek_last_error
	describeInBytes uintptr // ERR_error_string_n
}

// load finds the library as the system's loader does. One without a function
// that is needed is as good as none.
func load(name string) (*library, error) {
	// dlerror answers for the thread that asked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	lib := &library{}
	for symbol, at := range map[string]*uintptr{
		"d2i_AutoPrivateKey":            &lib.autoPrivateKey,
		"EVP_PKEY_free":                 &lib.keyFree,
		"EVP_PKEY_CTX_new":              &lib.contextNew,
		"EVP_PKEY_CTX_free":             &lib.contextFree,
		"EVP_PKEY_sign_init":            &lib.signInit,
		"EVP_PKEY_CTX_set_rsa_padding":  &lib.setPadding,
		"EVP_PKEY_CTX_set_signature_md": &lib.setSignatureMD,
		"EVP_sha256":                    &lib.sha256,
		"EVP_PKEY_sign":                 &lib.sign,
		"ERR_clear_error":               &lib.clearErrors,
		"ERR_peek_last_error":           &lib.lastError,
		"ERR_error_string_n":            &lib.describeInBytes,
	} {
		if *at, err = purego.Dlsym(handle, symbol); err != nil {
			return nil, fmt.Errorf("look for %s in %s: %w", symbol, name, err)
		}
	}
	return lib, nil
}

// fault is an error with libcrypto's words, which are taken off its queue. The
// queue is the thread's: between the call and this one the goroutine must stay on it.
func (l *library) fault(call string) error {
	code, _, _ := purego.SyscallN(l.lastError)
	var text [256]byte
	purego.SyscallN(l.describeInBytes, code, uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)))
	purego.SyscallN(l.clearErrors)
	words, _, _ := bytes.Cut(text[:], []byte{0})
	if code == 0 {
		return errors.New(call + " failed")
	}
	return fmt.Errorf("%s: %s", call, words)
}
