package pyhost

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// graceful is how long a child may take to end by itself when it is told to. The engine gives the host 5 s.
const graceful = 3 * time.Second

// ending says how a child is told to end.
type ending syscall.Signal

const (
	// interruptThenKill suits a program: exec.py knows SIGINT and keeps quiet.
	interruptThenKill = ending(syscall.SIGINT)
	// terminateThenKill suits a plugin: Python ends on SIGTERM without a word, but shows a traceback on SIGINT.
	terminateThenKill = ending(syscall.SIGTERM)
)

// prepareChild puts cmd into a process group of its own, so that a signal to the host's group does not reach it in the
// middle of its work, and makes the end of cmd's context end that whole group.
func prepareChild(cmd *exec.Cmd, how ending) {
	cmd.SysProcAttr = childAttributes()
	cmd.Cancel = func() error {
		time.AfterFunc(graceful, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		return syscall.Kill(-cmd.Process.Pid, syscall.Signal(how))
	}
	cmd.WaitDelay = graceful
}

// runChild runs cmd to its end.
func runChild(cmd *exec.Cmd, how ending) error {
	prepareChild(cmd, how)
	return onOneThread(func() error {
		err := cmd.Start()
		for _, file := range cmd.ExtraFiles {
			_ = file.Close()
		}
		if err != nil {
			return err
		}
		return cmd.Wait()
	})
}

// onOneThread calls f on one thread from its start to its end: on Linux a child that was asked for a signal at its
// parent's death gets it when the thread that started it ends.
func onOneThread(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return f()
}
