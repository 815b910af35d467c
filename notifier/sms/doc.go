// Package sms sends text messages through a gateway, and takes what comes back:
// delivery reports, and the words by which people stop and start.
//
// A gateway is one file: Twilio's API, Kannel's, or any other as a template
// says. A message is never sent twice: where a gateway did not answer, it may
// have taken it, and a second text in the night is worse than one that failed.
// It is tried again only where the gateway can be asked first, as Twilio can, or
// knows a message by its ID.
package sms
