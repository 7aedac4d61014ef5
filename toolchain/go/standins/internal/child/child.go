// Package child says how the stand-ins start programs: each leads a process group of its own, so that a signal to the
// parent's group does not hit it in the middle of its work, and so that it can be ended with all that it started.
package child

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Grace is how long a program may take to end by itself when it is told to. The engine gives a plugin 5 s to end, so a
// plugin must be done with its programs before that.
const Grace = 3 * time.Second

// Signal sends a signal to the process group that cmd leads.
func Signal(cmd *exec.Cmd, signal syscall.Signal) error {
	return syscall.Kill(-cmd.Process.Pid, signal)
}

// OnOneThread calls f on one thread from its start to its end. A program that is started and waited for there ends with
// its parent on Linux: the kernel looks at the thread that started it.
func OnOneThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}
