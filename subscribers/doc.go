// Package subscribers holds who wants to hear what, where and how often:
// subscribers, their filters and addresses, suppressions, and the signed links
// by which they act. It imports notifier and the standard library only.
package subscribers
