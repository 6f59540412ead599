// Package interop holds one set of conversations between AWS's official clients and
// the development core, in testdata/conversations.json. Each program in testdata
// holds all of them with the client of its language.
//
// A conversation is a list of steps on a connection of its own:
//
//	connect    connects with the "right" or a "wrong" token; where it is not the first step, "right" went before
//	call       calls an operation, up to "repeat" times more until the answer is another one
//	subscribe  calls a streaming operation and names its inbox
//	events     takes "count" events from an inbox; with 0, looks that none come
//	close      ends the subscription of an inbox
//	ask        has the core's side do something, and takes what it answers; see rig.do
//	restart    asks for a restart of the core, and waits until the client noticed
//
// Requests and answers are as on the wire; {"$blob": …} stands for the base64 of a
// text or of JSON. An answer has to have what "want" has, or "wantNode" for Node,
// with null for what has to be absent.
package interop
