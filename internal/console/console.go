// Package console is what people see in a browser. For now it is the live page: how
// many payments are judged a second, how fast, with which outcomes, and the
// latest decisions with their reasons. The pages of the analyst and of the
// data-protection officer join it later.
//
// # What it shows
//
// The live page holds tokens and numbers only, never personal data: a [Feed] takes
// [Event] values, which have no place for any. It therefore may be open on a loopback
// listener; everywhere else it asks for an API key.
//
// # How it is built
//
// Pages are rendered on the server in full, so that they can be read without scripts
// (they then reload themselves). A script of a few lines replaces texts and attributes as
// server-sent events arrive; every text, number format and path of the chart is
// still made here, once, in the viewer's language. Nothing is loaded from elsewhere, and the
// Content-Security-Policy allows neither inline scripts nor inline styles.
//
// # Limits
//
// Sessions live in memory: a restart logs everybody out. They end with the API key that
// opened them, within the second in which the program notices that it was revoked. The feed is of one process
// and starts at zero; lasting figures come from the metrics and the store.
package console
