// Package ipc is a client for the local IPC of AWS IoT Greengrass v2 core devices:
// the Unix socket over which a component reads and writes shadows, publishes and
// subscribes, and reads its configuration. It talks to the classic nucleus and to
// nucleus lite. PROTOCOL.md beside this file describes what goes over the socket.
//
// # Use
//
// A component that runs for long uses a [Session], which connects again whenever
// the connection is lost, and subscribes to topics by [Session.Topic], and to the other
// streams of the nucleus by the methods beside it. A tool that
// does one thing and ends uses a [Conn] of [Dial]. Both have the same operations,
// one method each, with requests and responses of package model:
//
//	cfg, err := ipc.ConfigFromEnv(os.Getenv)
//	…
//	conn, err := ipc.Dial(ctx, cfg)
//	…
//	defer conn.Close()
//	shadow, err := conn.GetThingShadow(ctx, model.GetThingShadowRequest{ThingName: thing})
//
// # What an error says
//
// A call that fails has one of three outcomes, and only the caller can know what
// each of them means to it:
//
//   - errors.Is(err, [ErrNotSent]): certainly not executed.
//   - errors.As(err, *[ServiceError]): the nucleus answered, and refused. The errors
//     of the service model are values: errors.Is(err, model.Conflict).
//   - errors.Is(err, [ErrOutcomeUnknown]): sent, but no usable answer came. It may
//     have been executed. Nothing is ever sent a second time by this package.
//
// The cause is in the chain as well: the error of the context, [ErrDisconnected],
// [ErrClosed], errors of the operating system.
//
// # Promises
//
// A call is bounded by its context, and by [Config].CallTimeout when that has no
// deadline; a call that is given up is terminated at the nucleus too. Only the
// writing of a frame is not interrupted, because half a frame would end the
// connection: a caller may have to wait up to five seconds for a nucleus that does
// not read, and then the connection is dead for all.
//
// Calls may be made from any number of goroutines. They are sent in the order in
// which they come to the socket and answered in any order. The events of one
// subscription come in the order in which the nucleus sent them; there is no order
// between subscriptions, nor between a subscription and the answer to a call.
//
// A consumer that does not take its events loses its own subscription, with
// [ErrOverflow], and disturbs nothing else. The nucleus keeps nothing for those who
// were away: after [Live] the state of things has to be read anew.
//
// Whatever the nucleus sends, the memory for one message is bounded by
// [Config].PayloadLimit, and that of a stream by [InboxSize] such messages and by
// [Config].InboxLimit. A longer message costs the call or the stream that it is for. One
// that breaks the rules, or takes more than 30 seconds from its first byte to its
// last, ends its stream or the connection with an error that says so. Members and
// members of unions that package model does not know are ignored.
//
// A Conn has two goroutines, a [Subscription] has one, and a Session has none
// beside the caller of Run. Each Close waits for those of its own, and for nothing
// remote, but that of a Subscription for a frame that is being written, as calls
// do. The token shows in no error, log or printed value.
//
// # Limits
//
// Nucleus lite drops the connection at a request of more than 10000 bytes
// (eventstream.MaxLiteMessage), in which a shadow document takes a third more than
// its length. [Config].RequestLimit refuses such a request before it is sent.
// Nucleus lite has no shadow operations, see [Conn.Lite], and never says that a token is refused: it
// closes, see [ErrClosedBeforeAck]. An operation that a nucleus does not have
// fails with an error that is [ErrUnsupported].
//
// There is no keep-alive, because nucleus lite drops the connection at a ping, and
// no need for one: a local socket tells at once when its other end is gone.
package ipc
