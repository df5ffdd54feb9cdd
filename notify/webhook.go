package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Of an answer so many bytes are read, and so many kept.
const (
	readBytes    = 4 * excerptBytes
	excerptBytes = 500
)

// Slack sends a message to a Slack-compatible incoming webhook.
func (s *Sender) Slack(ctx context.Context, address string, m Message) Outcome {
	body, err := json.Marshal(map[string]string{"text": m.slackText()})
	if err != nil {
		return Outcome{Said: "The notice could not be written.", Final: true}
	}
	return s.post(ctx, address, body, nil, nil)
}

// payload is the body of a signed webhook.
type payload struct {
	Type      string      `json:"type"`
	Timestamp string      `json:"timestamp"`
	Data      payloadData `json:"data"`
}

type payloadData struct {
	Title      string             `json:"title"`
	Text       string             `json:"text"`
	Link       *payloadLink       `json:"link,omitempty"`
	Alert      *payloadAlert      `json:"alert,omitempty"`
	Connection *payloadConnection `json:"connection,omitempty"`
}

type payloadLink struct {
	Label string `json:"label"`
	URL   string `json:"url"`
}

type payloadAlert struct {
	ID         int64  `json:"id"`
	Cause      string `json:"cause"`
	CauseLabel string `json:"cause_label"`
	Subject    string `json:"subject,omitempty"`
	OpenedAt   string `json:"opened_at,omitempty"`
	EndedAt    string `json:"ended_at,omitempty"`
}

type payloadConnection struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Environment string `json:"environment"`
}

func (m Message) payload() payload {
	p := payload{Type: "alert." + string(m.Kind), Timestamp: stamp(&m.At), Data: payloadData{Title: m.Title, Text: m.Text}}
	if m.Link != "" {
		p.Data.Link = &payloadLink{Label: m.LinkLabel, URL: m.Link}
	}
	if m.AlertID != 0 {
		p.Data.Alert = &payloadAlert{ID: m.AlertID, Cause: m.Cause, CauseLabel: m.CauseLabel, Subject: m.Subject, OpenedAt: stamp(m.OpenedAt), EndedAt: stamp(m.EndedAt)}
		p.Data.Connection = &payloadConnection{ID: m.ConnID, Name: m.Connection, Environment: m.Environment}
	}
	return p
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Webhook sends a message to a signed webhook. Each of the secrets signs it, so that a receiver that knows any of them can check it.
func (s *Sender) Webhook(ctx context.Context, address string, secrets []string, m Message, now time.Time) Outcome {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m.payload()); err != nil {
		return Outcome{Said: "The notice could not be written.", Final: true}
	}
	text := bytes.TrimSpace(body.Bytes())
	timestamp := strconv.FormatInt(now.Unix(), 10)
	var signatures []string
	for _, secret := range secrets {
		signature, err := Sign(secret, m.ID, timestamp, text)
		if err != nil {
			return Outcome{Said: "The secret of this channel cannot be used. Make a new one.", Final: true}
		}
		signatures = append(signatures, signature)
	}
	return s.post(ctx, address, text, map[string]string{
		"webhook-id": m.ID, "webhook-timestamp": timestamp, "webhook-signature": strings.Join(signatures, " "),
	}, secrets)
}

// Sign returns the signature of a message under a secret that begins with whsec_, as it stands in the header webhook-signature.
func Sign(secret, id, timestamp string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return "", fmt.Errorf("the secret is no base64 after whsec_")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// post is one attempt; secrets are kept out of what is told of it.
func (s *Sender) post(ctx context.Context, address string, body []byte, header map[string]string, secrets []string) Outcome {
	if _, err := CheckURL(address, s.options.Origins); err != nil {
		return Outcome{Said: err.Error(), Final: true}
	}
	return s.timed(ctx, func(ctx context.Context) Outcome {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
		if err != nil {
			return Outcome{Said: "The address of this channel is not a web address. Enter it again.", Final: true}
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("User-Agent", strings.TrimSpace("Millrace "+s.options.Version))
		for name, value := range header {
			req.Header.Set(name, value)
		}
		resp, err := s.client.Do(req)
		if err != nil {
			return unreached(ctx, "The receiver", err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, readBytes)) // what has arrived is enough
		o := answered(resp)
		o.Excerpt = excerpt(string(text), address, secrets)
		return o
	})
}

// answered says what an answer means.
func answered(resp *http.Response) Outcome {
	o := Outcome{Code: resp.StatusCode}
	number := strconv.Itoa(resp.StatusCode)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		o.Delivered, o.Said = true, "Delivered: the receiver answered "+number+"."
	case code >= 300 && code < 400:
		o.Said = "The receiver answered " + number + ", which sends the notice elsewhere. That is not followed: enter the final address."
	case code == http.StatusGone:
		o.Final, o.Gone, o.Said = true, true, "The receiver answered 410: it wants no more notices at this address."
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound:
		o.Said = "The receiver answered " + number + ": it does not know this address or does not accept its notices. Check the address with whoever runs it."
	case code == http.StatusTooManyRequests:
		o.Said = "The receiver answered 429: it wants fewer notices at a time."
	case code >= 500:
		o.Said = "The receiver answered " + number + ": something is wrong on its side."
	default:
		o.Said = "The receiver answered " + number + ": it did not accept the notice."
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 && !o.Delivered {
		o.RetryAfter = time.Duration(seconds) * time.Second
	}
	return o
}

// excerpt returns the beginning of an answer as text that can be shown, without the channel's address and secrets, which an answer may repeat.
func excerpt(text, address string, secrets []string) string {
	hidden := secretParts(address, secrets)
	if len(text) >= readBytes && len(hidden) > 0 { // the end may hold the beginning of one
		text = text[:max(0, len(text)-len(hidden[0]))]
	}
	for _, h := range hidden {
		text = strings.ReplaceAll(text, h, "…")
	}
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text, "")))
	if len(text) > excerptBytes {
		text = strings.ToValidUTF8(text[:excerptBytes], "") + "…"
	}
	return text
}

// secretParts lists what must not be shown of an address and secrets, the longest first.
func secretParts(address string, secrets []string) []string {
	hidden := []string{address}
	if u, err := url.Parse(address); err == nil {
		if len(u.Path) > 1 {
			hidden = append(hidden, u.EscapedPath(), u.Path)
		}
		for _, part := range strings.Split(u.Path, "/") {
			if len(part) >= 8 {
				hidden = append(hidden, part)
			}
		}
		hidden = append(hidden, u.RawQuery)
		for _, values := range u.Query() {
			for _, v := range values {
				if len(v) >= 4 {
					hidden = append(hidden, v)
				}
			}
		}
	}
	for _, secret := range secrets {
		hidden = append(hidden, secret, strings.TrimPrefix(secret, "whsec_"))
	}
	hidden = slices.DeleteFunc(hidden, func(h string) bool { return h == "" })
	slices.SortFunc(hidden, func(a, b string) int { return len(b) - len(a) })
	return hidden
}
