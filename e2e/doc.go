// Package e2e holds the tests that use the product as a person does: they build the program, start its demo on an empty folder, and drive a headless
// Chromium through its pages, with scripts on and off.
package e2e
