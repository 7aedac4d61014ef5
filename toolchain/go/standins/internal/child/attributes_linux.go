package child

import "syscall"

// Attributes ask for a process group of its own, and for the program's end should its parent be killed.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
