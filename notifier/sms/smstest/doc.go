// Package smstest starts a real Kannel whose carrier does not exist, and is the phone behind it.
package smstest
