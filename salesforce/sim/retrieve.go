package sim

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// retrieveState holds the packages of metadata that were asked for.
type retrieveState struct {
	mu   sync.Mutex
	list []*retrieval // by sequence number
}

// retrieval is a package of the org's metadata. Its content is fixed when it is asked for.
type retrieval struct {
	created    time.Time
	zipped     []byte
	properties string
	messages   string
}

// soapRetrieve serves the SOAP calls that fetch metadata as a package. It reports whether the call was one of them.
func (o *Org) soapRetrieve(w http.ResponseWriter, call *element) bool {
	s, out := &o.retrievals, ""
	switch call.XMLName.Local {
	case "retrieve":
		request := call.child("retrieveRequest")
		if request == nil {
			request = call.child("request")
		}
		r := o.world.Load().pack(request)
		r.created = o.now()
		s.mu.Lock()
		s.list = append(s.list, r)
		id := idText(rowID(prefixRetrieve, len(s.list)-1))
		s.mu.Unlock()
		out = fmt.Sprintf("<result><done>false</done><id>%s</id><state>Queued</state></result>", id)
	case "checkRetrieveStatus":
		id := call.get("asyncProcessId")
		packed, ok := parseID(id)
		prefix, n := splitID(packed)
		s.mu.Lock()
		ok = ok && prefix == prefixRetrieve && n >= 0 && n < len(s.list)
		if !ok {
			s.mu.Unlock()
			soapFault(w, "sf:INVALID_CROSS_REFERENCE_KEY", "INVALID_CROSS_REFERENCE_KEY: No retrieval with the id "+id+" is known")
			return true
		}
		r := s.list[n]
		s.mu.Unlock()
		out = r.result(id, o.now().Sub(r.created) >= o.opt.JobDelay)
	default:
		return false
	}
	soapAnswer(w, metadataNS, "<"+call.XMLName.Local+"Response>"+out+"</"+call.XMLName.Local+"Response>")
	return true
}

// result is the RetrieveResult, with the package when it is done.
func (r *retrieval) result(id string, done bool) string {
	if !done {
		return fmt.Sprintf("<result><done>false</done><id>%s</id><status>InProgress</status><success>false</success></result>", id)
	}
	return fmt.Sprintf("<result><done>true</done>%s<id>%s</id>%s<status>Succeeded</status><success>true</success><zipFile>%s</zipFile></result>",
		r.properties, id, r.messages, base64.StdEncoding.EncodeToString(r.zipped))
}

// pack puts the components that a request names into a package that could be deployed as it is.
func (w *world) pack(request *element) *retrieval {
	r := &retrieval{}
	files, manifest := map[string]string{}, ""
	for _, types := range request.child("unpackaged").all("types") {
		typ := types.get("name")
		var taken []string
		for _, m := range types.all("members") {
			taken = append(taken, w.packMembers(r, files, typ, strings.TrimSpace(m.Text))...)
		}
		slices.Sort(taken)
		manifest += "<types>"
		for _, name := range slices.Compact(taken) {
			manifest += "<members>" + xmlText(name) + "</members>"
		}
		manifest += "<name>" + xmlText(typ) + "</name></types>"
	}
	files["package.xml"] = xmlFile("Package", manifest+"<version>"+xmlText(request.get("apiVersion"))+"</version>")
	root := "unpackaged/"
	if request.get("singlePackage") == "true" {
		root = ""
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f, _ := z.Create(root + name)       // a Buffer never fails
		_, _ = f.Write([]byte(files[name])) // nor here
	}
	_ = z.Close() // nor here
	r.zipped = b.Bytes()
	return r
}

// packMembers adds one member, or all custom ones of a type for *, and returns the names of those that there are.
func (w *world) packMembers(r *retrieval, files map[string]string, typ, member string) (taken []string) {
	w.members(typ, func(fullName, id string) {
		if !strings.EqualFold(fullName, member) && (member != "*" || typ == "CustomObject" && !strings.HasSuffix(fullName, "__c")) {
			return
		}
		taken = append(taken, fullName)
		r.properties += "<fileProperties>" + filePropertiesXML(typ, fullName, id) + "</fileProperties>"
		file := fileOf(typ, fullName)
		switch typ {
		case "CustomObject":
			files[file] = xmlFile(typ, objectXML(w.object(fullName)))
		case "PermissionSet":
			content, _ := w.componentXML(typ, fullName)
			files[file] = xmlFile(typ, content)
		case "CustomField":
			object, name, _ := strings.Cut(fullName, ".")
			field := "<fields>" + fieldXML(w.object(object).field(name), "") + "</fields>"
			if whole := files[file]; whole != "" && !strings.Contains(whole, "<deploymentStatus>") {
				files[file] = strings.Replace(whole, "</CustomObject>", field+"</CustomObject>", 1)
			} else if whole == "" {
				files[file] = xmlFile("CustomObject", field)
			}
		}
	})
	if len(taken) == 0 && member != "*" {
		r.messages += "<messages><fileName>package.xml</fileName><problem>Entity of type '" + xmlText(typ) + "' named '" + xmlText(member) + "' cannot be found</problem></messages>"
	}
	return taken
}

func xmlFile(root, content string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n<" + root + ` xmlns="http://soap.sforce.com/2006/04/metadata">` + content + "</" + root + ">\n"
}
