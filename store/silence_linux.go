package store

import (
	"strings"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7), to which package syscall gives no name.
const tcpUserTimeout = 0x12

// limitSilence is a net.Dialer's Control. A keep-alive is sent only while nothing
// is on its way: a question to a host that vanished would be repeated by the
// kernel for a quarter of an hour, and whoever asked would wait for it.
func limitSilence(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	return c.Control(func(fd uintptr) {
		// Where the kernel does not know it, the callers' own limits remain.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(silence/time.Millisecond))
	})
}
