// Package notifytest holds receivers of notices for tests.
package notifytest

import (
	"bufio"
	"io"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// Mail is one mail that an SMTP server took.
type Mail struct {
	From, To string // of the envelope
	Header   mail.Header
	Body     string // decoded
}

// SMTP is a mail server that keeps what it takes.
type SMTP struct {
	Host string
	Port int

	mu      sync.Mutex
	refuse  map[string]string // reply by recipient
	greeted int
	mails   []Mail
	slow    time.Duration
}

// NewSMTP starts a mail server, which stops when the test ends.
func NewSMTP(t testing.TB) *SMTP {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a := l.Addr().(*net.TCPAddr)
	s := &SMTP{Host: a.IP.String(), Port: a.Port, refuse: map[string]string{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

// Refuse answers a recipient with a reply such as "550 no such user"; an empty one takes that back.
func (s *SMTP) Refuse(recipient, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[recipient] = reply
}

// Slow lets the server wait before it greets.
func (s *SMTP) Slow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = d
}

// Mails returns what was taken so far.
func (s *SMTP) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

func (s *SMTP) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	slow := s.slow
	s.greeted++
	s.mu.Unlock()
	time.Sleep(slow)
	in := bufio.NewReader(c)
	say := func(line string) { _, _ = io.WriteString(c, line+"\r\n") } // whoever has gone is gone
	say("220 sink ready")
	var from, to string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb := strings.ToUpper(line)
		switch {
		case strings.HasPrefix(verb, "EHLO"):
			say("250-sink")
			say("250 8BITMIME")
		case strings.HasPrefix(verb, "MAIL FROM:"):
			from = address(line)
			say("250 ok")
		case strings.HasPrefix(verb, "RCPT TO:"):
			to = address(line)
			s.mu.Lock()
			reply := s.refuse[to]
			s.mu.Unlock()
			if reply == "" {
				reply = "250 ok"
			}
			say(reply)
		case verb == "DATA":
			say("354 go on")
			text, ok := data(in)
			if !ok {
				return
			}
			s.keep(from, to, text)
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// address returns what stands between the angle brackets.
func address(line string) string {
	_, rest, _ := strings.Cut(line, "<")
	got, _, _ := strings.Cut(rest, ">")
	return got
}

// data reads a message up to the line with a single dot.
func data(in *bufio.Reader) (string, bool) {
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", false
		}
		if line == ".\r\n" {
			return b.String(), true
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}

func (s *SMTP) keep(from, to, text string) {
	m := Mail{From: from, To: to, Body: text}
	if parsed, err := mail.ReadMessage(strings.NewReader(text)); err == nil {
		m.Header = parsed.Header
		var body io.Reader = parsed.Body
		if strings.EqualFold(parsed.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
			body = quotedprintable.NewReader(body)
		}
		if read, err := io.ReadAll(body); err == nil {
			m.Body = strings.ReplaceAll(string(read), "\r\n", "\n")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
}
