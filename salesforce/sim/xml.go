package sim

import (
	"encoding/xml"
	"slices"
	"strings"
)

// element is a parsed XML element; prefixes and namespaces do not matter to this org.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []*element `xml:",any"`
}

// child returns the first child of that name, or nil. It may be called on nil.
func (e *element) child(name string) *element {
	if e != nil {
		for _, c := range e.Children {
			if c.XMLName.Local == name {
				return c
			}
		}
	}
	return nil
}

// all returns every child of that name.
func (e *element) all(name string) (list []*element) {
	if e != nil {
		for _, c := range e.Children {
			if c.XMLName.Local == name {
				list = append(list, c)
			}
		}
	}
	return list
}

// childFold is child without regard to case, which clients of the metadata API differ in.
func (e *element) childFold(name string) *element {
	if e != nil {
		for _, c := range e.Children {
			if strings.EqualFold(c.XMLName.Local, name) {
				return c
			}
		}
	}
	return nil
}

// getFold is get without regard to case.
func (e *element) getFold(name string) string {
	if c := e.childFold(name); c != nil {
		return strings.TrimSpace(c.Text)
	}
	return ""
}

// get returns the trimmed text of a child, "" when there is none.
func (e *element) get(name string) string {
	if c := e.child(name); c != nil {
		return strings.TrimSpace(c.Text)
	}
	return ""
}

// xml writes an element out, its children in the order of their names, as the metadata API has them.
func (e *element) xml() string {
	children := slices.Clone(e.Children)
	slices.SortStableFunc(children, func(a, b *element) int { return strings.Compare(a.XMLName.Local, b.XMLName.Local) })
	var b strings.Builder
	b.WriteString("<" + e.XMLName.Local + ">" + xmlText(e.Text))
	for _, c := range children {
		b.WriteString(c.xml())
	}
	b.WriteString("</" + e.XMLName.Local + ">")
	return b.String()
}

// xsiType returns the type that an element says it has, without its prefix.
func (e *element) xsiType() string {
	for _, a := range e.Attrs {
		if a.Name.Local == "type" {
			_, after, ok := strings.Cut(a.Value, ":")
			if ok {
				return after
			}
			return a.Value
		}
	}
	return ""
}

// xmlText escapes text for element content.
func xmlText(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder never fails
	return b.String()
}
