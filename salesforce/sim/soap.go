package sim

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// lastSOAPLogin is the last API version that knows the SOAP login call.
const lastSOAPLogin = 64

// serveSOAP serves /services/Soap/u/…: login, logout and getUserInfo; and /services/Soap/m/…, the metadata API.
func (o *Org) serveSOAP(w http.ResponseWriter, r *http.Request, seg []string) {
	if len(seg) < 2 || r.Method != http.MethodPost {
		soapFault(w, "sf:UNKNOWN_EXCEPTION", "UNKNOWN_EXCEPTION: Destination URL not reset. The URL returned from login must be set in the SforceService")
		return
	}
	version, err := strconv.ParseFloat(seg[1], 64)
	if err != nil || version < minVersion || version > maxVersion {
		soapFault(w, "sf:UNSUPPORTED_API_VERSION", "UNSUPPORTED_API_VERSION: Invalid Api version specified on URL")
		return
	}
	var envelope element
	if err := xml.NewDecoder(r.Body).Decode(&envelope); err != nil {
		soapFault(w, "soapenv:Client", "The request could not be parsed: "+err.Error())
		return
	}
	body := envelope.child("Body")
	if body == nil || len(body.Children) == 0 {
		soapFault(w, "soapenv:Client", "No operation available for request")
		return
	}
	call := body.Children[0]
	if call.XMLName.Local == "login" && seg[0] != "m" {
		o.soapLogin(w, r, call, version)
		return
	}
	s := o.live(envelope.child("Header").child("SessionHeader").get("sessionId"))
	if s == nil {
		soapFault(w, "sf:INVALID_SESSION_ID", "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session hash")
		return
	}
	if seg[0] == "m" {
		o.serveMetadata(w, s, call)
		return
	}
	switch call.XMLName.Local {
	case "getUserInfo":
		soapAnswer(w, partnerNS, "<getUserInfoResponse><result>"+o.userInfoXML(s.user)+"</result></getUserInfoResponse>")
	case "logout":
		o.auth.mu.Lock()
		s.dead = true
		o.auth.mu.Unlock()
		soapAnswer(w, partnerNS, "<logoutResponse/>")
	default:
		soapFault(w, "soapenv:Client", "No operation available for request {urn:partner.soap.sforce.com}"+call.XMLName.Local)
	}
}

const (
	partnerNS  = "urn:partner.soap.sforce.com"
	metadataNS = "http://soap.sforce.com/2006/04/metadata"
)

// soapAnswer writes a response in a prefixed envelope, which some clients insist on.
func soapAnswer(w http.ResponseWriter, namespace, body string) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="%s" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`,
		namespace, body) // only fails when the caller is gone
}

func soapFault(w http.ResponseWriter, code, message string) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault><faultcode>%s</faultcode><faultstring>%s</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>`,
		xmlText(code), xmlText(message)) // only fails when the caller is gone
}

func (o *Org) soapLogin(w http.ResponseWriter, r *http.Request, call *element, version float64) {
	if version > lastSOAPLogin {
		soapFault(w, "UNSUPPORTED_API_VERSION", "UNSUPPORTED_API_VERSION: login() is not available in this API version; use OAuth")
		return
	}
	user, ok := o.userByName(call.get("username"), call.get("password"))
	if !ok {
		soapFault(w, "INVALID_LOGIN", "INVALID_LOGIN: Invalid username, password, security token; or user locked out.")
		return
	}
	o.auth.mu.Lock()
	s := o.openSession(user, "soap", "api web", nil)
	o.auth.mu.Unlock()
	base, v, org := o.origin(r), strconv.FormatFloat(version, 'f', 1, 64), o.orgID[:15]
	soapAnswer(w, partnerNS, fmt.Sprintf("<loginResponse><result><metadataServerUrl>%s/services/Soap/m/%s/%s</metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>%t</sandbox><serverUrl>%s/services/Soap/u/%s/%s</serverUrl><sessionId>%s</sessionId><userId>%s</userId><userInfo>%s</userInfo></result></loginResponse>",
		base, v, org, o.opt.Sandbox, base, v, org, s.token, idText(rowID(prefixUser, user)), o.userInfoXML(user)))
}

func (o *Org) userInfoXML(row int) string {
	u := o.userRecord(row)
	text := func(name string) string { s, _ := u[name].(string); return xmlText(s) }
	return fmt.Sprintf("<accessibilityMode>false</accessibilityMode><currencySymbol>$</currencySymbol><orgDefaultCurrencyIsoCode>USD</orgDefaultCurrencyIsoCode><organizationId>%s</organizationId><organizationMultiCurrency>%t</organizationMultiCurrency><organizationName>%s</organizationName><profileId>%s</profileId><roleId xsi:nil=\"true\"/><sessionSecondsValid>%d</sessionSecondsValid><userDefaultCurrencyIsoCode xsi:nil=\"true\"/><userEmail>%s</userEmail><userFullName>%s</userFullName><userId>%s</userId><userLanguage>en_US</userLanguage><userLocale>en_US</userLocale><userName>%s</userName><userTimeZone>%s</userTimeZone><userType>Standard</userType>",
		o.orgID, o.world.Load().multiCurrent, xmlText(o.opt.OrgName), text("ProfileId"), int(o.opt.SessionTimeout.Seconds()), text("Email"), text("Name"),
		idText(rowID(prefixUser, row)), text("Username"), xmlText(strings.TrimSpace(o.opt.TimeZone)))
}
