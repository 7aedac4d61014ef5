package local

import (
	"bytes"
	"strings"
	"sync"
)

// lineStream hands on what is written to it line by line, as soon as a line is whole; Close hands on what is left.
// Lines wait in a queue of any length, so that a slow receiver never slows down, or stops, the program that writes.
type lineStream struct {
	mutex   sync.Mutex
	changed *sync.Cond
	partial []byte
	queue   []string
	closed  bool
	drained chan struct{}
}

func newLineStream(show func(line string)) *lineStream {
	s := &lineStream{drained: make(chan struct{})}
	s.changed = sync.NewCond(&s.mutex)
	go s.drain(show)
	return s
}

func (s *lineStream) Write(text []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.partial = append(s.partial, text...)
	for {
		line, rest, found := bytes.Cut(s.partial, []byte("\n"))
		if !found {
			break
		}
		s.enqueue(line)
		s.partial = rest
	}
	return len(text), nil
}

// Close waits until every line was handed on.
func (s *lineStream) Close() {
	s.mutex.Lock()
	if len(s.partial) > 0 {
		s.enqueue(s.partial)
		s.partial = nil
	}
	s.closed = true
	s.changed.Signal()
	s.mutex.Unlock()
	<-s.drained
}

// enqueue makes the line presentable: no carriage return at its end, and valid UTF-8, which the protocol demands.
func (s *lineStream) enqueue(line []byte) {
	text := string(bytes.TrimSuffix(line, []byte("\r")))
	s.queue = append(s.queue, strings.ToValidUTF8(text, "\uFFFD"))
	s.changed.Signal()
}

func (s *lineStream) drain(show func(line string)) {
	defer close(s.drained)
	for {
		s.mutex.Lock()
		for len(s.queue) == 0 && !s.closed {
			s.changed.Wait()
		}
		lines := s.queue
		s.queue = nil
		s.mutex.Unlock()
		if len(lines) == 0 {
			return
		}
		for _, line := range lines {
			show(line)
		}
	}
}
