// Package web serves the screens. A request passes, in this order: request id, log and recovery (logged), security headers, the check for forged
// requests, the size limit of its body, the session and role that its route asks for (routes.go), and then a handler, which returns an error instead
// of writing one. Each page is built by one function for GET and for a refused POST. Nothing here runs a sync: a button writes a row, and the runner
// of package jobs takes it.
package web
