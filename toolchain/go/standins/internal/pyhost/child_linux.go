package pyhost

import "syscall"

// childAttributes ask for a process group of its own, and for the child's end should the host be killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
