package holder

import "syscall"

// session has a process lead a session of its own: no signal to our group, and no
// end of a terminal, reaches it.
func session() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
