package lines

import "time"

// Effect is what is to be done with lines: a [Request], a [Write], a [Release] or a
// [Guard]; or a [Moved], for the journal.
// Each Request and Write must be answered before anything else is given to the
// bank.
type Effect interface{ effect() }

type (
	// Request asks for the lines of a claim in one kernel request. [Bank.Ready] or
	// [Bank.Failed] answers.
	Request struct {
		Claim   string   // identities of the lines, see [Identity], sorted and joined by "+"
		Request uint64   // number, unique in the life of a bank
		Label   string   // present label of the output or input
		Lines   []string // labels, in the order of the claim
		// Values are what outputs are to be from the first moment; nil adopts the
		// level that a line has.
		Values []*bool
	}

	// Write asks to set the outputs of a claim in one kernel call and to read them
	// back. [Bank.Written] or [Bank.Failed] answers.
	Write struct {
		Claim   string
		Request uint64 // under which the lines are held
		Values  []bool
	}

	// Release gives lines up, outputs after they were set to Values where these are
	// not nil. Nothing answers.
	Release struct {
		Claim  string
		Values []bool
	}

	// Guard says what is to become of the outputs of a claim should this process
	// vanish: nothing, or all off.
	Guard struct {
		Claim string
		Lines int // how many
		Off   bool
		At    time.Time // not before; zero is at once
	}
)

func (Release) effect() {}
func (Request) effect() {}
func (Write) effect()   {}
func (Guard) effect()   {}

// Burst is what was seen of an input since the last one: edges in their sum, and
// what it reads after them.
type Burst struct {
	Value           bool
	Rising, Falling int
	Lost            int // edges that the kernel had no room for
	// The last rising and falling edge, when there was one.
	RisingAt, FallingAt Stamp
}

// Stamp is the time of an edge.
type Stamp struct {
	Wall  time.Time     // for people
	Clock time.Duration // monotonic, for intervals
}

// Notice is what others may want to know: an [OutputChanged], [PulseEnded],
// [ForcedOff] or [InputChanged].
type Notice interface{ notice() }

type (
	// OutputChanged says that something about an output may be different: its
	// values, its demand, its status.
	OutputChanged struct{ Output string }

	// PulseEnded says that a pulse is over, or will never begin. Cut says what cut
	// it short; "" is that it had its time. A pulse whose output a change of the
	// configuration removes, or combines with other lines, ends without a notice.
	PulseEnded struct{ Output, Cut string }

	// ForcedOff says that an output was on for its longest time.
	ForcedOff struct{ Output string }

	// InputChanged says that an input has another value, or had edges.
	InputChanged struct {
		Input string
		// Rising and Falling are how often it went on and off for what follows it,
		// its delays observed.
		Rising, Falling int
	}
)

func (OutputChanged) notice() {}
func (PulseEnded) notice()    {}
func (ForcedOff) notice()     {}
func (InputChanged) notice()  {}
