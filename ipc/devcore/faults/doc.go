// Package faults has a development core fail on purpose: by rules, which are data,
// and by scripts of rules and timed steps.
//
// # Rules
//
// A rule says on which requests, or on which events of streams, what is done:
//
//	{operation: UpdateThingShadow, component: "*", match: MyThing/plant, skip: 2, times: 5, probability: 0.3, do: delay, delay: 2s}
//	UpdateThingShadow delay 2s match MyThing/plant skip 2 times 5 probability 0.3
//
// The second line is the same in short: operation, action, the value that belongs
// to the action, then any other keys with their values. A value with spaces is put
// in quotes, double or single ones.
//
//	operation    name of an operation, or "*"; needed
//	component    who asks; default "*"
//	match        what the request or event is about; default "*"
//	on           request or event; default request, for lose and duplicate event
//	skip         matches that pass before the first fault; default 0
//	times        faults before the rule is spent; default 0, no end
//	probability  of a fault at each match after those, above 0 to 1; default 1
//	do           the action; needed
//
// In component and match, "*" stands for any characters. What a request is about is
// its thing ("MyThing"), its thing and named shadow ("MyThing/plant"), its topic, or
// the component and key path that it names; what an event is about is the topic of
// its message, or component and key path. Rules are tried in their order, and the
// first that makes a fault is the last that is tried.
//
// # Actions
//
//	delay       delay  a request is executed, or an event delivered, later
//	delayReply  delay  the request is executed at once, and answered later
//	refuse      code, message  it is answered with a modelled error, and not executed
//	throttle           a shadow request is refused as over the rate limit
//	drop               the connection ends, the request is not executed
//	dropReply          the request is executed, then the connection ends
//	silence            the request is executed and never answered
//	reorder     delay  the reply, or the event, comes after the next one; or after
//	                   delay, default 1s, when there is none
//	redeliver          the request is executed twice; the second answer is sent
//	duplicate          the event is delivered twice
//	lose               the event is not delivered
//	restart     for    the core goes away for a time, default 1s; the request is lost
//	notReady    for    the shadow manager's database is not open for a time,
//	                   default 1s; the request is the first to notice
//
// A reply cannot be delivered twice: it ends its stream, and what comes later on a
// stream that is over is dropped by any client. What at-least-once delivery does to a
// request is redeliver. Events of one stream stay in order behind a delayed one.
//
// # Scripts
//
// A script is a document in YAML or JSON:
//
//	seed: 7          # of probabilities; any by default, see Set.Seed
//	rules:           # from the beginning
//	  - UpdateThingShadow delay 2s times 3
//	  - {operation: SubscribeToTopic, match: "*/update/accepted", probability: 0.1, do: lose}
//	steps:           # each does one thing
//	  - {at: 5s, restart: 3s}
//	  - {at: 10s, notReady: 2s}
//	  - {at: 15s, add: [GetThingShadow silence times 1]}
//	  - {at: 30s, clear: true}
package faults
