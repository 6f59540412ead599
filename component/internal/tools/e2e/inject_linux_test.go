package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// An injection makes system calls of the component fail, or kills it in one, while
// desired values, edges and presses come. strace does that from below the program, which
// is built as for a deployment. Afterwards the calls work again, and everything has to
// come to rest as if nothing had happened.
var (
	injectionCount    = flag.Int("injections", injectionsFixed, "how many injections; the default ones have fixed seeds")
	injectionSeed     = flag.Uint64("injection", 0, "play the injection of this `seed` only")
	injectionParallel = flag.Int("injection.parallel", 8, "injections at the same time")
)

const injectionsFixed = 30

// injectionsHit is how many injections have met a call.
var injectionsHit atomic.Int64

func TestInjections(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed, so no system call can be made to fail: ", err)
	}
	program := buildEdge(t)
	first, n := uint64(1), *injectionCount
	switch {
	case *injectionSeed != 0:
		first, n = *injectionSeed, 1
	case n != injectionsFixed:
		first = uint64(time.Now().UnixNano()) >> 10
	case testing.Short():
		n /= 10
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range *injectionParallel {
		workers.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				seed := first + uint64(i) - 1
				t.Run(fmt.Sprint(seed), func(t *testing.T) { injecting(t, program, seed) })
			}
		})
	}
	workers.Wait()
	t.Logf("%d of %d injections met a call", injectionsHit.Load(), n)
	if hit := int(injectionsHit.Load()); n >= injectionsFixed && hit < n/2 {
		t.Errorf("%d of %d injections met a call, want half of them at least", hit, n)
	}
}

// buildEdge builds the component as scripts/build.sh does, on simulated chips.
func buildEdge(t *testing.T) string {
	t.Helper()
	program := filepath.Join(shortDir(t), "shadowgpio")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", program,
		"github.com/shadowgpio/shadowgpio/component/internal/tools/edgesim")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// callClass is a kind of system call and how it can fail. A question mark lets strace
// pass over a call that this architecture lacks.
type callClass struct {
	name, calls string
	errors      []string
	files       bool // it may be narrowed to the files of the work directory
	most        int  // the injection begins at a call up to this one of each thread
}

var callClasses = []callClass{
	{"open", "?open,openat", []string{"EIO", "EMFILE", "ENOMEM", "ENOSPC", "EINTR"}, true, 16},
	{"read", "read,pread64", []string{"EIO", "ENOMEM", "EINTR"}, true, 20},
	{"write", "write,pwrite64", []string{"EIO", "ENOSPC", "EINTR"}, true, 20},
	{"sync", "fsync,fdatasync", []string{"EIO", "ENOSPC", "EINTR"}, true, 4},
	{"rename", "?rename,renameat,?renameat2", []string{"EIO", "ENOSPC", "ENOMEM"}, true, 3},
	{"unlink", "?unlink,unlinkat", []string{"EIO", "ENOMEM"}, true, 3},
	{"stat", "?newfstatat,?fstatat64,?stat,?lstat,fstat,?statx", []string{"EIO", "ENOMEM"}, true, 10},
	{"close", "close", []string{"EIO", "EINTR"}, true, 20},
	{"directory", "getdents64,flock,ftruncate", []string{"EIO", "ENOMEM", "EINTR"}, false, 2},
	{"ioctl", "ioctl,fcntl", []string{"EIO", "EMFILE", "ENOMEM", "EINTR"}, false, 10},
	{"poll", "epoll_pwait,?poll,ppoll", []string{"EINTR", "EIO", "ENOMEM"}, false, 20},
	{"register", "epoll_ctl", []string{"ENOMEM", "ENOSPC", "EMFILE"}, false, 8},
	{"send", "sendmsg,sendto", []string{"EIO", "ENOMEM", "EINTR"}, false, 3},
	{"receive", "recvmsg,recvfrom", []string{"EIO", "ENOMEM", "EINTR"}, false, 4},
	{"socket", "socket,bind,listen,?accept,accept4", []string{"EMFILE", "ENOMEM", "EIO"}, false, 6},
	{"connect", "connect", []string{"EIO", "ENOMEM", "EAGAIN"}, false, 4},
	// Not getsockname: it does not fail for a socket that is there, and Go's net relies on
	// that in listenUnix.
	{"option", "getsockopt,setsockopt,getpeername", []string{"ENOMEM", "EIO"}, false, 8},
	{"process", "execve,pipe2,wait4,?waitid,pidfd_open", []string{"ENOMEM", "EMFILE", "EINTR"}, false, 3},
	{"memory", "mmap,?mmap2,munmap,madvise", []string{"ENOMEM"}, false, 16},
	{"thread", "clone,?clone3,?vfork", []string{"ENOMEM", "EAGAIN"}, false, 4},
}

// memoryFiles are what a narrowed injection meets: the state, the way to it and the rest.
var memoryFiles = []string{"state.json", ".state.json.new", "configuration.json", ".configuration.json.new", "journal.jsonl", "lock", "control.socket", "holder.socket", "."}

// injection is what becomes of the calls.
type injection struct {
	class  callClass
	effect string // an error or a signal, as strace takes it
	when   string
	files  bool
	entry  string // how the component comes under strace: attach, restart, kill
	long   time.Duration
}

func (i injection) String() string {
	on := "all files"
	if i.files {
		on = "the work directory"
	}
	return fmt.Sprintf("%s of %s fail with %s at %s, on %s, for %v after %s", i.class.name, i.class.calls, i.effect, i.when, on, i.long, i.entry)
}

func (i injection) kills() bool { return i.effect == "signal=SIGKILL" }

// drawInjection takes the classes in turn, and chooses the rest.
func drawInjection(seed uint64, rng *rand.Rand) injection {
	i := injection{class: callClasses[seed%uint64(len(callClasses))]}
	i.files = i.class.files && rng.IntN(3) > 0
	// Early calls more often: strace counts for each thread, and few threads make many.
	at := 1 + min(rng.IntN(i.class.most), rng.IntN(i.class.most))
	if i.files {
		at = 1 + rng.IntN(min(at, 4))
	}
	i.when = strconv.Itoa(at)
	if rng.IntN(4) == 0 {
		i.effect = "signal=SIGKILL"
	} else {
		name := i.class.errors[rng.IntN(len(i.class.errors))]
		i.effect = "error=" + name
		step := rng.IntN(4)
		if name == "EINTR" && step > 0 {
			step += 2 // no call is interrupted for ever, and many are repeated until they are not
		}
		if step > 0 {
			i.when += fmt.Sprintf("+%d", step)
		}
	}
	i.entry = []string{"attach", "restart", "restart", "kill"}[rng.IntN(4)]
	i.long = time.Duration(1000+rng.IntN(1500)) * time.Millisecond
	return i
}

// tracer is a strace of a component.
type tracer struct {
	*process
	file string
}

func (s *injected) traceFile() string { return filepath.Join(s.rig.dir, "trace") }

// trace attaches strace to a process. It returns when all its threads are traced.
func (s *injected) trace(pid int, i injection) *tracer {
	s.t.Helper()
	file := s.traceFile()
	args := []string{"-f", "-I2", "-s", "200", "-o", file, "-e", "signal=none", "-e", "trace=" + i.class.calls,
		"-e", "inject=" + i.class.calls + ":" + i.effect + ":when=" + i.when}
	if i.files {
		for _, name := range memoryFiles {
			args = append(args, "-P", s.rig.file(name), "-P", name)
		}
	}
	tr := &tracer{start(s.t, exec.Command("strace", append(args, "-p", strconv.Itoa(pid))...)), file}
	line, ok := tr.log.wait(func(line string) bool {
		return strings.Contains(line, "attached") || strings.Contains(line, "not permitted")
	})
	if strings.Contains(line, "not permitted") {
		s.t.Skip("strace may not trace a process here: ", line)
	}
	if !ok {
		s.t.Fatalf("strace does not attach:\n%s", tr.log)
	}
	return tr
}

// detach ends the injection. The process goes on.
func (tr *tracer) detach() {
	tr.t.Helper()
	tr.cmd.Process.Signal(syscall.SIGTERM) // it may have ended with the last process
	tr.ends()
}

// hits is how many calls the injection has met.
func (tr *tracer) hits() int {
	text, err := os.ReadFile(tr.file)
	if err != nil {
		tr.t.Error(err)
	}
	return bytes.Count(text, []byte("(INJECTED)"))
}

// processorTime is how long a process has computed; 0 for one that has ended.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(rest)
	const user, system = 11, 12 // from the state on
	u, _ := strconv.Atoi(fields[user])
	k, _ := strconv.Atoi(fields[system])
	return time.Duration(u+k) * 10 * time.Millisecond // USER_HZ is 100 for every program
}
