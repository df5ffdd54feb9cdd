package notify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"

	"github.com/wneessen/go-mail"
)

// TLS is how the way to the mail server is kept private.
type TLS string

// The ways.
const (
	StartTLS    TLS = "starttls" // required
	ImplicitTLS TLS = "implicit" // from the first byte on, usually at port 465
	NoTLS       TLS = "off"      // for a server on this machine
)

// Mail is the operator's mail server. The zero value is none.
type Mail struct {
	Host           string
	Port           int
	TLS            TLS
	User, Password string
	From           string // such as "Millrace <millrace@example.com>"
}

// Set reports whether there is a mail server.
func (m Mail) Set() bool { return m.Host != "" }

// Email sends a message to one address.
func (s *Sender) Email(ctx context.Context, address string, m Message) Outcome {
	if !s.options.Mail.Set() {
		return Outcome{Final: true, Said: "No mail server is set up. The operator gives it with MILLRACE_SMTP_ADDR and MILLRACE_SMTP_FROM."}
	}
	msg, err := s.compose(address, m)
	if err != nil {
		return Outcome{Final: true, Said: "The mail could not be written: its sender or its recipient is no e-mail address."}
	}
	return s.timed(ctx, func(ctx context.Context) Outcome { return s.mail(ctx, msg) })
}

func (s *Sender) compose(address string, m Message) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(s.options.Mail.From), msg.To(address)); err != nil {
		return nil, err
	}
	domain := "millrace.invalid"
	if _, host, ok := strings.Cut(strings.TrimSuffix(s.options.Mail.From, ">"), "@"); ok {
		domain = host
	}
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	if m.OpeningID != "" {
		msg.SetGenHeader(mail.HeaderInReplyTo, "<"+m.OpeningID+"@"+domain+">")
		msg.SetGenHeader(mail.HeaderReferences, "<"+m.OpeningID+"@"+domain+">")
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetDateWithValue(m.At)
	msg.Subject(m.subject())
	msg.SetBodyString(mail.TypeTextPlain, m.plainText())
	return msg, nil
}

func (s *Sender) mail(ctx context.Context, msg *mail.Msg) Outcome {
	c := s.options.Mail
	options := []mail.Option{mail.WithPort(c.Port), mail.WithTimeout(s.options.Timeout), mail.WithoutNoop()}
	switch c.TLS {
	case ImplicitTLS:
		options = append(options, mail.WithSSL())
	case NoTLS:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if c.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.User), mail.WithPassword(c.Password))
	}
	client, err := mail.NewClient(c.Host, options...)
	if err != nil {
		return Outcome{Final: true, Said: "The settings of the mail server cannot be used; the operator has to correct them."}
	}
	server := net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return Outcome{Delivered: true, Code: 250, Said: "Delivered: the mail server " + server + " took it."}
	}
	return refusedMail(ctx, server, c.Password, err)
}

// refusedMail says why a mail was not taken. The server's own words are kept as the excerpt.
func refusedMail(ctx context.Context, server, password string, err error) Outcome {
	who := "The mail server " + server
	var reply *textproto.Error
	var send *mail.SendError
	switch {
	case errors.As(err, &send) && send.ErrorCode() > 0:
		o := Outcome{Code: send.ErrorCode(), Excerpt: excerpt(send.Error(), "", []string{password}), Final: !send.IsTemp()}
		o.Said = fmt.Sprintf("%s did not take it (%d).", who, o.Code)
		switch {
		case send.Reason == mail.ErrSMTPRcptTo && o.Final:
			o.Said = fmt.Sprintf("%s does not take mail for this address (%d). Check how it is written.", who, o.Code)
		case send.Reason == mail.ErrSMTPMailFrom && o.Final:
			o.Said = fmt.Sprintf("%s does not let Millrace send from its address (%d). The operator has to correct MILLRACE_SMTP_FROM.", who, o.Code)
		}
		return o
	case errors.As(err, &reply):
		o := Outcome{Code: reply.Code, Excerpt: excerpt(reply.Msg, "", []string{password}), Final: reply.Code >= 500}
		o.Said = fmt.Sprintf("%s did not let Millrace in (%d). The operator has to check the user and the password.", who, o.Code)
		return o
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return Outcome{Final: true, Said: who + " does not offer STARTTLS, so nothing was sent. The operator has to set MILLRACE_SMTP_TLS to what it offers."}
	case strings.Contains(err.Error(), "SMTP AUTH"):
		return Outcome{Final: true, Excerpt: excerpt(err.Error(), "", []string{password}), Said: who + " offers no sign-in that can be used here. The operator has to check MILLRACE_SMTP_TLS and MILLRACE_SMTP_USER."}
	}
	return unreached(ctx, who, err)
}
