package sim

import (
	"net/http"
	"strings"
)

// servePages serves what a person sees: the front page and the page of a record, to which links from other systems lead.
func (o *Org) servePages(w http.ResponseWriter, r *http.Request, path string) {
	if path == "/" {
		o.page(w, http.StatusOK, "home", map[string]any{})
		return
	}
	if path == devicePage {
		o.connectDevice(w, r)
		return
	}
	seg := strings.Split(path[1:], "/")
	last := seg[len(seg)-1]
	if lower(seg[0]) == "lightning" && len(seg) >= 4 { // /lightning/r/Account/001…/view
		last = seg[len(seg)-2]
		if validIDText(seg[len(seg)-1]) {
			last = seg[len(seg)-1]
		}
	}
	id, ok := parseID(last)
	world := o.world.Load().as(userIntegration)
	obj, row := world.find(id)
	if !ok || obj == nil {
		http.NotFound(w, r)
		return
	}
	type line struct{ Label, Name, Value, Link string }
	var rows []line
	title := idText(id)
	if f := obj.nameField(); f != nil {
		title = world.get(obj, f, row).text()
	}
	for _, f := range obj.fields {
		if f.typ == "address" || !world.sees(obj, f) {
			continue
		}
		v := world.get(obj, f, row)
		l := line{f.label, f.name, v.text(), ""}
		if f.typ == "reference" && !v.isNull() {
			if target, at := world.target(v); target != nil {
				l.Link = "/" + l.Value
				if n := target.nameField(); n != nil {
					l.Value = world.get(target, n, at).text()
				}
			}
		}
		rows = append(rows, l)
	}
	o.page(w, http.StatusOK, "record", map[string]any{"Title": title, "Object": obj.label, "Rows": rows, "Deleted": !world.table(obj).alive(row)})
}
