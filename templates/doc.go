// Package templates turns an event and a reader into messages and pages, from
// embedded files, one catalogue of languages and one printer of times.
//
// A mail's view is one html file; its plain text is read off the rendered html,
// so that the two cannot say different things. Styles are written into the
// elements once, when the set is made. What readers share is rendered once and
// kept as a notifier.Letter; per reader only link tokens are made.
package templates
