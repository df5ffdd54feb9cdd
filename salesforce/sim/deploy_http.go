package sim

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

func deployForbidden() *apiError {
	return fail(http.StatusForbidden, "INSUFFICIENT_ACCESS", "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions")
}

// deployRequests serves POST /metadata/deployRequest: a multipart body of options and a zip file, or the id of a validation to put into effect.
func (rq *request) deployRequests() error {
	if !rq.world.sight.admin {
		return deployForbidden()
	}
	kind, params, _ := mime.ParseMediaType(rq.r.Header.Get("Content-Type")) // what is no media type is no multipart body
	d := &deployment{user: rq.session.user}
	if kind == "multipart/form-data" && params["boundary"] != "" {
		if err := rq.readDeployment(d); err != nil {
			return err
		}
		rq.org.start(d)
		return rq.deployAnswer(http.StatusCreated, d, false)
	}
	var in struct{ ValidatedDeployRequestID string }
	if err := rq.decode(&in); err != nil {
		return err
	}
	if err := rq.org.deployValidated(d, in.ValidatedDeployRequestID); err != nil {
		return err
	}
	return rq.deployAnswer(http.StatusCreated, d, false)
}

// readDeployment reads the two parts of a deployment's body, in any order.
func (rq *request) readDeployment(d *deployment) error {
	parts, err := rq.r.MultipartReader()
	if err != nil {
		return badRequest("INVALID_MULTIPART_REQUEST", "%s", err)
	}
	var zipped []byte
	options := false
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return badRequest("INVALID_MULTIPART_REQUEST", "%s", err)
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return badRequest("INVALID_MULTIPART_REQUEST", "%s", err)
		}
		switch p.FormName() {
		case "entity_content", "json":
			in := struct{ DeployOptions *deployOptions }{&d.options}
			if err := json.Unmarshal(content, &in); err != nil {
				return jsonError(err)
			}
			options = true
		case "file":
			zipped = content
		}
	}
	if zipped == nil || !options {
		return badRequest("INVALID_MULTIPART_REQUEST", "A deployment needs two parts: entity_content with the deployOptions, and file with the zip file")
	}
	d.readPackage(zipped)
	return nil
}

// deployValidated starts a deployment of what a validation has shown to be sound.
func (o *Org) deployValidated(d *deployment, id string) error {
	o.deploys.mu.Lock()
	old := o.deploys.find(id)
	sound := old != nil && old.options.CheckOnly && old.status == deploySucceeded
	if sound {
		d.options, d.parts, d.problems = old.options, old.parts, old.problems
		d.options.CheckOnly = false
	}
	o.deploys.mu.Unlock()
	if !sound {
		return badRequest("INVALID_ID_FIELD", "Invalid ID: %s is not a validation that has succeeded", id)
	}
	o.start(d)
	return nil
}

// deployRequest serves GET and PATCH of one deployment; the only change is to cancel it.
func (rq *request) deployRequest() error {
	if !rq.world.sight.admin {
		return deployForbidden()
	}
	s := &rq.org.deploys
	s.mu.Lock()
	d := s.find(rq.seg[2])
	s.mu.Unlock()
	if d == nil {
		return notFound()
	}
	if rq.r.Method == http.MethodGet {
		return rq.deployAnswer(http.StatusOK, d, rq.query.Get("includeDetails") == "true")
	}
	var in struct{ DeployResult struct{ Status string } }
	if err := rq.decode(&in); err != nil {
		return err
	}
	if in.DeployResult.Status != "Canceling" {
		return badRequest("INVALID_FIELD", "The status of a deployment can only be set to Canceling")
	}
	s.mu.Lock()
	canceled := s.cancel(d, rq.org.now())
	s.mu.Unlock()
	if !canceled {
		return badRequest("INVALID_ID_FIELD", "Deployment already completed")
	}
	return rq.deployAnswer(http.StatusAccepted, d, false)
}

func (rq *request) deployAnswer(status int, d *deployment, details bool) error {
	return rq.json(status, map[string]any{"id": idText(d.id), "url": rq.org.origin(rq.r) + rq.root + "/metadata/deployRequest/" + idText(d.id),
		"validatedDeployRequestId": nil, "deployOptions": d.options, "deployResult": rq.org.deployResult(d, details)})
}

// deployResult is a DeployResult, of which the REST and the SOAP answer are two spellings.
func (o *Org) deployResult(d *deployment, details bool) map[string]any {
	o.deploys.mu.Lock()
	defer o.deploys.mu.Unlock()
	state := d.state(o.now(), o.opt.JobDelay)
	done := state != deployPending && state != deployInProgress
	out := map[string]any{
		"id": idText(d.id), "status": state, "done": done, "success": state == deploySucceeded || state == deployPartial, "checkOnly": d.options.CheckOnly,
		"ignoreWarnings": d.options.IgnoreWarnings, "rollbackOnError": d.options.RollbackOnError, "runTestsEnabled": false,
		"createdBy": idText(rowID(prefixUser, d.user)), "createdByName": o.userName(d.user), "createdDate": stamp(d.created), "lastModifiedDate": stamp(d.changed),
		"numberComponentsTotal": len(d.parts) + len(d.problems), "numberComponentsDeployed": 0, "numberComponentErrors": 0, "numberTestsTotal": 0,
		"numberTestsCompleted": 0, "numberTestErrors": 0,
	}
	if state != deployPending {
		out["startDate"] = stamp(d.created)
	}
	if done {
		failed := d.count((*deployMessage).failed)
		out["completedDate"], out["numberComponentErrors"], out["numberComponentsDeployed"] = stamp(d.changed), failed, len(d.messages)-failed
	}
	if state == deployCanceled {
		out["canceledBy"], out["canceledByName"] = idText(rowID(prefixUser, d.user)), o.userName(d.user)
	}
	if d.lost != nil && done {
		out["errorStatusCode"], out["errorMessage"] = d.lost.code, d.lost.message
	}
	if details {
		out["details"] = d.details()
	}
	return out
}

// userName is a user's full name.
func (o *Org) userName(row int) string {
	name, _ := o.userRecord(row)["Name"].(string)
	return name
}

// details are the messages about single components.
func (d *deployment) details() map[string]any {
	successes, failures := []any{}, []any{}
	for i := range d.messages {
		m := &d.messages[i]
		out := map[string]any{"componentType": m.typ, "fullName": m.fullName, "fileName": m.file, "changed": m.problem == "", "created": m.created, "deleted": m.deleted,
			"success": !m.failed(), "createdDate": stamp(d.changed), "warning": m.warning}
		if m.problem == "" {
			successes = append(successes, out)
			continue
		}
		out["problem"], out["problemType"] = m.problem, "Error"
		if m.warning {
			out["problemType"] = "Warning"
		}
		failures = append(failures, out)
	}
	return map[string]any{"componentSuccesses": successes, "componentFailures": failures,
		"runTestResult": map[string]any{"numFailures": 0, "numTestsRun": 0, "totalTime": 0}}
}

// soapDeploy serves the SOAP calls on deployments and retrievals. It reports whether the call was one of them.
func (o *Org) soapDeploy(w http.ResponseWriter, s *session, call *element) bool {
	d, out := &deployment{user: s.user}, ""
	answer := func(body string) {
		soapAnswer(w, metadataNS, "<"+call.XMLName.Local+"Response>"+body+"</"+call.XMLName.Local+"Response>")
	}
	switch call.XMLName.Local {
	case "deploy":
		zipped, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(call.getFold("ZipFile")), ""))
		if err != nil {
			soapFault(w, "soapenv:Client", "The ZipFile is not valid base64")
			return true
		}
		d.options = soapDeployOptions(call.childFold("DeployOptions"))
		d.readPackage(zipped)
		o.start(d)
		out = fmt.Sprintf("<result><done>false</done><id>%s</id><state>Queued</state></result>", idText(d.id))
	case "deployRecentValidation":
		if err := o.deployValidated(d, call.get("validationId")); err != nil {
			soapFault(w, "sf:INVALID_ID_FIELD", err.Error())
			return true
		}
		out = "<result>" + idText(d.id) + "</result>"
	case "checkDeployStatus", "cancelDeploy":
		id := call.get("asyncProcessId") + call.get("id") + call.get("String")
		o.deploys.mu.Lock()
		found := o.deploys.find(id)
		cancel := found != nil && call.XMLName.Local == "cancelDeploy"
		canceled := cancel && o.deploys.cancel(found, o.now())
		o.deploys.mu.Unlock()
		switch {
		case found == nil || cancel && !canceled:
			soapFault(w, "sf:INVALID_CROSS_REFERENCE_KEY", "INVALID_CROSS_REFERENCE_KEY: No deployment with the id "+id+" is under way")
			return true
		case cancel:
			out = fmt.Sprintf("<result><done>true</done><id>%s</id></result>", idText(found.id))
		default:
			out = toElement("result", o.deployResult(found, call.get("includeDetails") == "true")).xml()
		}
	default:
		return false
	}
	answer(out)
	return true
}

// soapDeployOptions reads the options of the SOAP call.
func soapDeployOptions(e *element) deployOptions {
	on := func(name string) bool { return e.get(name) == "true" }
	return deployOptions{AllowMissingFiles: on("allowMissingFiles"), AutoUpdatePackage: on("autoUpdatePackage"), CheckOnly: on("checkOnly"), IgnoreWarnings: on("ignoreWarnings"),
		PerformRetrieve: on("performRetrieve"), PurgeOnDelete: on("purgeOnDelete"), RollbackOnError: on("rollbackOnError"), SinglePackage: on("singlePackage"),
		TestLevel: e.get("testLevel")}
}
