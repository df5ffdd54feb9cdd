package sim

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"io"
	"path"
	"slices"
	"strings"
)

// Bounds of a deployment's zip file.
const (
	maxPackageFiles = 10_000
	maxPackageBytes = 400 << 20 // uncompressed
)

// metadataFolder is a folder of a package by the type of component that it holds.
type metadataFolder struct{ folder, suffix, typ string }

var metadataFolders = []metadataFolder{{"objects", "object", "CustomObject"}, {"permissionsets", "permissionset", "PermissionSet"}}

// componentTypes are in the order in which components are put in, since the later kinds refer to the earlier ones.
var componentTypes = []string{"CustomObject", "CustomField", "PermissionSet"}

func componentOrder(typ string) int { return slices.Index(componentTypes, typ) }

// manifest is a package.xml or a destructiveChanges.xml: the members by type.
type manifest map[string][]string

// packageReader takes a package apart.
type packageReader struct {
	options deployOptions
	named   manifest
	found   map[string]bool // "type name" of the components that the files hold
	parts   []component
	trouble []deployMessage
}

// readPackage reads a zip file of metadata into the deployment.
func (d *deployment) readPackage(zipped []byte) {
	files, err := unzip(zipped)
	if err != nil {
		d.lost = badRequest("INVALID_ZIP_FILE", "The zip file could not be read: %s", err)
		return
	}
	root, ok := packageRoot(files, d.options.SinglePackage)
	if !ok {
		d.problems = append(d.problems, deployMessage{component: component{file: "package.xml", fullName: "package.xml"}, problem: "No package.xml found"})
		return
	}
	r := &packageReader{options: d.options, found: map[string]bool{}}
	r.named = r.manifest(files, root, "package.xml")
	before := append(r.removals(files, root, "destructiveChanges.xml"), r.removals(files, root, "destructiveChangesPre.xml")...)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, root); ok && strings.Contains(rest, "/") {
			r.file(rest, files[name])
		}
	}
	r.missing()
	slices.SortStableFunc(r.parts, func(a, b component) int { return cmp.Compare(componentOrder(a.typ), componentOrder(b.typ)) })
	d.parts = append(append(before, r.parts...), r.removals(files, root, "destructiveChangesPost.xml")...)
	d.problems = r.trouble
}

// unzip reads all files of a zip.
func unzip(zipped []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		return nil, err
	}
	if len(z.File) > maxPackageFiles {
		return nil, badRequest("LIMIT_EXCEEDED", "Maximum number of files exceeded: %d", maxPackageFiles)
	}
	files, left := map[string][]byte{}, int64(maxPackageBytes)
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		content, err := readZipped(f, left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(content))
		files[strings.TrimPrefix(path.Clean("/"+f.Name), "/")] = content
	}
	return files, nil
}

func readZipped(f *zip.File, most int64) ([]byte, error) {
	rc, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	content, err := io.ReadAll(io.LimitReader(rc, most+1))
	if err == nil && int64(len(content)) > most {
		err = badRequest("LIMIT_EXCEEDED", "Maximum size of request reached. Maximum size of request is %d bytes.", maxPackageBytes)
	}
	return content, err
}

// packageRoot is the folder of package.xml: the zip's own for a single package, otherwise that or a folder in it.
func packageRoot(files map[string][]byte, single bool) (string, bool) {
	if files["package.xml"] != nil {
		return "", true
	}
	if !single {
		for name := range files {
			if dir, file := path.Split(name); file == "package.xml" && strings.Count(dir, "/") == 1 {
				return dir, true
			}
		}
	}
	return "", false
}

// complain notes what is wrong with a component or file.
func (r *packageReader) complain(c component, warning bool, problem string) {
	r.trouble = append(r.trouble, deployMessage{component: c, problem: problem, warning: warning})
}

// manifest reads a list of members; one that is not there is empty.
func (r *packageReader) manifest(files map[string][]byte, root, name string) manifest {
	out := manifest{}
	text := files[root+name]
	if text == nil {
		return out
	}
	var e element
	if err := xml.Unmarshal(text, &e); err != nil {
		r.complain(component{file: name, fullName: name}, false, "Error parsing file: "+err.Error())
		return out
	}
	for _, types := range e.all("types") {
		typ := types.get("name")
		if componentOrder(typ) < 0 {
			r.complain(component{file: name, fullName: name}, false, "The metadata type '"+typ+"' is not supported here")
			continue
		}
		for _, m := range types.all("members") {
			out[typ] = append(out[typ], strings.TrimSpace(m.Text))
		}
	}
	return out
}

// removals are the components that a list of destructive changes names: what depends on others goes first.
func (r *packageReader) removals(files map[string][]byte, root, name string) (list []component) {
	for typ, members := range r.manifest(files, root, name) {
		for _, m := range members {
			list = append(list, component{typ: typ, fullName: m, file: name, remove: true})
		}
	}
	slices.SortFunc(list, func(a, b component) int {
		return cmp.Or(cmp.Compare(componentOrder(b.typ), componentOrder(a.typ)), strings.Compare(a.fullName, b.fullName))
	})
	return list
}

// lists tells whether package.xml names a component, by itself or with all of its type.
func (r *packageReader) lists(typ, fullName string) bool {
	return slices.ContainsFunc(r.named[typ], func(m string) bool {
		return m == "*" && (typ != "CustomObject" || strings.HasSuffix(fullName, "__c")) || strings.EqualFold(m, fullName)
	})
}

// file turns one file of the package into its components.
func (r *packageReader) file(name string, content []byte) {
	dir, base := path.Split(name)
	i := slices.IndexFunc(metadataFolders, func(f metadataFolder) bool { return f.folder+"/" == dir && strings.HasSuffix(base, "."+f.suffix) })
	if i < 0 {
		r.complain(component{file: name, fullName: name}, false, "Unknown file type: "+name)
		return
	}
	f := metadataFolders[i]
	c := component{typ: f.typ, fullName: strings.TrimSuffix(base, "."+f.suffix), file: name, m: &element{}}
	if err := xml.Unmarshal(content, c.m); err != nil {
		r.complain(c, false, "Error parsing file: "+err.Error())
		return
	}
	if c.m.XMLName.Local != f.typ {
		r.complain(c, false, "Invalid root element: "+c.m.XMLName.Local+", expected "+f.typ)
		return
	}
	whole := r.lists(c.typ, c.fullName)
	before := len(r.parts)
	if whole {
		r.add(c, c.fullName)
	}
	for _, field := range c.m.all("fields") {
		fc := component{typ: "CustomField", fullName: c.fullName + "." + field.get("fullName"), file: name, m: field}
		if whole && strings.HasSuffix(fc.fullName, "__c") || r.lists(fc.typ, fc.fullName) {
			r.add(fc, fc.fullName)
		}
	}
	if len(r.parts) == before {
		r.complain(c, true, "Not in package.xml")
	}
}

// add takes a component in, under its full name and without the components inside it.
func (r *packageReader) add(c component, fullName string) {
	m := &element{XMLName: c.m.XMLName, Text: c.m.Text}
	for _, child := range c.m.Children {
		if n := child.XMLName.Local; n != "fullName" && n != "fields" {
			m.Children = append(m.Children, child)
		}
	}
	name := &element{Text: fullName}
	name.XMLName.Local = "fullName"
	m.Children = append(m.Children, name)
	c.m = m
	r.parts = append(r.parts, c)
	r.found[c.typ+" "+lower(fullName)] = true
}

// missing complains of members that no file holds.
func (r *packageReader) missing() {
	if r.options.AllowMissingFiles {
		return
	}
	for _, typ := range componentTypes {
		for _, m := range r.named[typ] {
			if m != "*" && !r.found[typ+" "+lower(m)] {
				r.complain(component{typ: typ, fullName: m, file: "package.xml"}, false,
					"An object '"+m+"' of type "+typ+" was named in package.xml, but was not found in zipped directory")
			}
		}
	}
}
