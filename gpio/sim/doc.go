// Package sim is a GPIO backend in memory, with the far side of its lines: real
// code with the semantics of the Linux character device on a gpio-sim chip, for
// a development machine without hardware and for tests.
//
// # Semantics
//
// The rules are those of Linux 6.1 (torvalds/linux drivers/gpio/gpiolib-cdev.c,
// gpiolib.c and gpio-sim.c), and package gpiotest holds both backends to them:
// a released line goes back to its pull; a pull requested as bias stays after
// the release; an open drain or open source line that does not drive floats to
// the pull; software debounce wants a level stable for the whole period; each
// request buffers 16 events a line and drops the oldest. Debounce timers and
// event times use package time, so that a synctest bubble can hold a [Sim].
//
// In one respect it follows hardware and not gpio-sim: a line that stops being
// driven while it is held (open drain let go, output turned into input) goes to
// its pull at once, where gpio-sim keeps the last driven level until the pull is
// written again (gpio-sim.c, gpio_sim_direction_input and gpio_sim_apply_pull).
//
// # Far side
//
// [Hand] is what is wired to the lines: it pulls them, presses buttons, reads
// what outputs drive, and unplugs a chip while its lines are held. [Sim.Watch]
// tells of every level change.
//
// # Sharing
//
// [Serve] offers a Sim on a Unix socket and [Dial] uses it from another process,
// as backend and as hand. The chips live as long as the serving process; a
// connection that ends, however it ends, releases its lines as the kernel does
// for a closed file. PROTOCOL.md has the messages.
package sim
