// Package holder keeps outputs as they are while the component is away: between
// two versions of it, over a crash, over a SIGKILL.
//
// A request of lines is an open file, and the driver decides what becomes of an
// output when the last copy of it is closed. So the component passes a copy to a
// second process, the holder (shadowgpio hold), which does nothing but have it
// open. The component's successor takes the copies back and goes on with the same
// request: no release, no change of level, on any driver.
//
//	component                     holder                        successor
//	   |  hello ------------------->|                               |
//	   |  keep lamp, descriptor --->|                               |
//	   |  guard lamp: off in 3 s -->|                               |
//	   x  killed                    |  sets lamp off after 3 s      |
//	                                |<------------------- hello     |
//	                                |  lamp, descriptor ----------->|
//
// # Guard
//
// With each request the component leaves [Order] values: what its lines are to be,
// and when, should it vanish. The holder carries them out when its owner is gone,
// so that pulses, waves and longest times on end as if it were there.
//
// # Life of a holder
//
// The component starts one when none answers on the socket in its work directory.
// It is no child of the component and has a session of its own, so that a nucleus,
// which kills the descendants of a component's process
// (aws-greengrass/aws-greengrass-nucleus
// src/main/java/com/aws/greengrass/util/platforms/unix/UnixPlatform.java,
// killProcessAndChildren), does not reach it. It has one owner at a time; a second
// one waits for its turn. When its owner has been gone for the time that it was
// given, the holder lets go of all lines that have no order left, and ends when it
// holds none. A holder that dies takes nothing with it: the component has its own
// copies, and starts another.
//
// # Wire
//
// A Unix socket of packets (SOCK_SEQPACKET), mode 0600, for the same user only. A
// packet is one JSON object, [command] or [answer], with at most one descriptor
// (SCM_RIGHTS). Each command is answered, with its number. Fields that one end does
// not know it ignores. The answer to hello says the protocol of the holder; hello,
// leave, and what follows the answer to hello are the same in all protocols, so
// that every component can take over from every holder.
package holder
