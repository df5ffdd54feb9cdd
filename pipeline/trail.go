package pipeline

import "fmt"

// trail is the locators by which a reader has come through an answer of several pages.
type trail map[string]bool

// follow notes the locator of the page that is next. Pages that lead back to one that was read would be read for ever: that is a fault.
func (t trail) follow(locator string) error {
	if t[locator] {
		return repeats(fmt.Errorf("locator %q comes twice", locator))
	}
	t[locator] = true
	return nil
}

// LocatorRepeats is the fault of a page that names a successor which comes elsewhere in the step already.
func LocatorRepeats(s Step, locator string) error {
	return repeats(fmt.Errorf("bulk job %s: locator %q comes twice", s.JobID, locator))
}

func repeats(err error) error {
	return &Fault{Kind: Gone, Code: "locator_repeats", Message: "Salesforce's pages of results lead back to one another.", Err: err}
}
