package config

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
)

// Notices configures where notices of alerts may go, and who may read the metrics.
type Notices struct {
	SMTPAddr     string // host:port of the mail server; empty for none
	SMTPFrom     string // the sender of mails
	SMTPUser     string
	SMTPPassword string
	SMTPTLS      string // starttls, implicit or off; empty chooses by the port
	AlertOrigins string // further origins that webhooks may be sent to, comma-separated
	MetricsAddr  string // where the metrics are served; empty for nowhere
	MetricsToken string // required of whoever reads them; with it they are served beside the app, too
}

func (n *Notices) flags(fs *flag.FlagSet) {
	fs.StringVar(&n.SMTPAddr, "smtp-addr", "", "mail server for alerts, such as smtp.example.com:587")
	fs.StringVar(&n.SMTPFrom, "smtp-from", "", "sender of these mails, such as \"Millrace <millrace@example.com>\"")
	fs.StringVar(&n.SMTPUser, "smtp-user", "", "user at the mail server; empty for none")
	fs.StringVar(&n.SMTPPassword, "smtp-password", "", "password of that user; better given as MILLRACE_SMTP_PASSWORD")
	fs.StringVar(&n.SMTPTLS, "smtp-tls", "", "starttls, implicit (usual at port 465) or off; empty chooses by the port")
	fs.StringVar(&n.AlertOrigins, "alert-origins", "", "further origins that webhooks of alerts may be sent to besides public https addresses, such as http://10.0.0.5:9000; comma-separated")
	fs.StringVar(&n.MetricsAddr, "metrics-addr", "", "address on which Prometheus finds /metrics, such as 127.0.0.1:9090; empty for none")
	fs.StringVar(&n.MetricsToken, "metrics-token", "", "bearer token for the metrics, at least 16 characters; with it /metrics is served at the app's address too. Better given as MILLRACE_METRICS_TOKEN")
}

func (n Notices) validate() error {
	var errs []error
	if n.SMTPAddr != "" {
		if err := checkAddr("smtp-addr", n.SMTPAddr); err != nil {
			errs = append(errs, err)
		} else if port := n.SMTPPort(); port < 1 || port > 65535 {
			errs = append(errs, fmt.Errorf("-smtp-addr is %q; its port must be a number, such as 587", n.SMTPAddr))
		}
		if a, err := mail.ParseAddress(n.SMTPFrom); err != nil || strings.ContainsAny(a.Name, "\r\n") {
			errs = append(errs, fmt.Errorf("-smtp-from is %q; it must be an e-mail address, such as \"Millrace <millrace@example.com>\"", n.SMTPFrom))
		}
	} else if n.SMTPFrom != "" || n.SMTPUser != "" || n.SMTPPassword != "" || n.SMTPTLS != "" {
		errs = append(errs, errors.New("-smtp-addr is not set, but something else of the mail server is"))
	}
	if (n.SMTPUser == "") != (n.SMTPPassword == "") {
		errs = append(errs, errors.New("-smtp-user and -smtp-password belong together; only one is set"))
	}
	switch n.SMTPTLS {
	case "", "starttls", "implicit":
	case "off":
		if n.SMTPUser != "" {
			errs = append(errs, errors.New("-smtp-tls is off, which would send the password of -smtp-user unprotected"))
		}
	default:
		errs = append(errs, fmt.Errorf("-smtp-tls is %q; it must be starttls, implicit or off", n.SMTPTLS))
	}
	for _, o := range n.NoticeOrigins() {
		if u, err := url.Parse(o); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || o != u.Scheme+"://"+u.Host {
			errs = append(errs, fmt.Errorf("-alert-origins has %q; each must be an origin such as http://10.0.0.5:9000", o))
		}
	}
	if n.MetricsAddr != "" {
		errs = append(errs, checkAddr("metrics-addr", n.MetricsAddr))
	}
	if n.MetricsToken != "" && len(n.MetricsToken) < 16 {
		errs = append(errs, fmt.Errorf("-metrics-token has %d characters; at least 16 are needed", len(n.MetricsToken)))
	}
	return errors.Join(errs...)
}

// SMTPHost returns the host of the mail server.
func (n Notices) SMTPHost() string {
	host, _, err := net.SplitHostPort(n.SMTPAddr)
	if err != nil {
		return ""
	}
	return host
}

// SMTPPort returns the port of the mail server, or 0 where it is no number.
func (n Notices) SMTPPort() int {
	_, text, err := net.SplitHostPort(n.SMTPAddr)
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return port
}

// SMTPSecurity returns how the way to the mail server is protected: starttls, implicit or off.
func (n Notices) SMTPSecurity() string {
	switch {
	case n.SMTPTLS != "":
		return n.SMTPTLS
	case n.SMTPPort() == 465:
		return "implicit"
	}
	return "starttls"
}

// NoticeOrigins returns the origins of AlertOrigins.
func (n Notices) NoticeOrigins() []string {
	return strings.FieldsFunc(n.AlertOrigins, func(r rune) bool { return r == ',' || r == ' ' })
}
