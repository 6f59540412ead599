package gpio

import "os"

// Descriptor is implemented by [Lines] that are held by an open file, which other
// processes can hold as well: it can be passed on a Unix socket or inherited. The
// lines are released when the last copy of the file is closed, however that
// happens; until then [Lines.Close] only ends this use of them.
type Descriptor interface {
	// File duplicates the file. Who calls it closes the duplicate. The error is an
	// *[OpError]: [ErrClosed] after Close, [ErrGone] where that can be known.
	File() (*os.File, error)
}

// Adopter is implemented by backends whose [Lines] are a [Descriptor].
type Adopter interface {
	// Adopt makes lines of a file that was a [Descriptor]'s, in this process or in
	// another one, alive or dead. The lines stay as they are: level, configuration,
	// and the numbers of events. It checks that the file holds those offsets of
	// that chip, in that order, for that consumer.
	//
	// The file is the backend's from the call on: it is closed when that fails. The
	// error is an *[OpError] with op "adopt": [ErrGone] says that the chip of the
	// file was removed, even where another has its name now; syscall.EINVAL that
	// the file holds something else, or nothing.
	//
	// Copies may be used at the same time, as far as the backend says so.
	Adopt(file *os.File, chip, consumer string, offsets []int) (Lines, error)
}
