package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// org is a simulated org in a process of its own.
type org struct {
	address, clientID, clientSecret string
	token                           string
	pid                             int
	changes                         int // rounds of them
	stop                            func()
}

// startOrg starts one, with flags besides the usual ones, and signs in.
func startOrg(ctx context.Context, binary string, accounts int, flags ...string) (*org, error) {
	args := append([]string{"org", "--addr", "127.0.0.1:0", "--accounts", strconv.Itoa(accounts), "--daily-api-limit", "1000000000"}, flags...)
	o, err := startOrgAt(exec.Command(binary, args...))
	if err != nil {
		return nil, err
	}
	if err := o.signIn(ctx); err != nil {
		o.stop()
		return nil, err
	}
	return o, nil
}

// startOrgAt starts the command of an org and waits until it serves.
func startOrgAt(cmd *exec.Cmd) (*org, error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &org{pid: cmd.Process.Pid, stop: func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		_ = cmd.Wait()
	}}
	lines := bufio.NewScanner(out)
	for o.address == "" || o.clientID == "" || o.clientSecret == "" {
		if !lines.Scan() {
			o.stop()
			return nil, errors.New("the org ended before it said where it serves")
		}
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "Salesforce (simulated)":
			o.address = value
		case "Client id":
			o.clientID = value
		case "Client secret":
			o.clientSecret = value
		}
	}
	go func() {
		for lines.Scan() { // so that the org never blocks on its output
		}
	}()
	return o, nil
}

// signIn gets an access token by the client's own credentials.
func (o *org) signIn(ctx context.Context) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {o.clientID}, "client_secret": {o.clientSecret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.address+"/services/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		return fmt.Errorf("sign-in at the org: HTTP %d, %v", resp.StatusCode, err)
	}
	o.token = answer.AccessToken
	return nil
}
