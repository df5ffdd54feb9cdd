package settings

// OwnerType is one of the people who look after an account.
type OwnerType string

// The owner types.
const (
	AccountOwner   OwnerType = "account_owner"
	CSM            OwnerType = "csm"
	SalesRep       OwnerType = "sales_rep"
	SupportOwner   OwnerType = "support_owner"
	TAM            OwnerType = "tam"
	SuccessManager OwnerType = "success_manager"
)

// OwnerTypes lists every type in the order of the screen.
var OwnerTypes = []OwnerType{AccountOwner, CSM, SalesRep, SupportOwner, TAM, SuccessManager}

// Label returns the type's name as people read it.
func (t OwnerType) Label() string {
	switch t {
	case AccountOwner:
		return "Account Owner"
	case CSM:
		return "CSM"
	case SalesRep:
		return "Sales Rep"
	case SupportOwner:
		return "Support Owner"
	case TAM:
		return "Technical Account Manager"
	case SuccessManager:
		return "Success Manager"
	}
	return string(t)
}

// Suggested returns the API name of the Account field that usually holds this owner.
func (t OwnerType) Suggested() string {
	switch t {
	case AccountOwner:
		return "OwnerId"
	case CSM:
		return "CSM__c"
	case SalesRep:
		return "Sales_Rep__c"
	case SupportOwner:
		return "Support_Owner__c"
	case TAM:
		return "TAM__c"
	case SuccessManager:
		return "Success_Manager__c"
	}
	return ""
}

// OwnerMapping says which Account field holds each owner: the API name of a field that points to a User, or empty for an owner that is not synced.
type OwnerMapping struct {
	AccountOwner   string `json:"account_owner"`
	CSM            string `json:"csm,omitempty"`
	SalesRep       string `json:"sales_rep,omitempty"`
	SupportOwner   string `json:"support_owner,omitempty"`
	TAM            string `json:"tam,omitempty"`
	SuccessManager string `json:"success_manager,omitempty"`
}

// Field returns where the field of an owner type is kept; nil for an unknown type.
func (o *OwnerMapping) Field(t OwnerType) *string {
	switch t {
	case AccountOwner:
		return &o.AccountOwner
	case CSM:
		return &o.CSM
	case SalesRep:
		return &o.SalesRep
	case SupportOwner:
		return &o.SupportOwner
	case TAM:
		return &o.TAM
	case SuccessManager:
		return &o.SuccessManager
	}
	return nil
}

// PathOwner returns the field path of an owner type.
func PathOwner(t OwnerType) string { return "owners." + string(t) }

func (o OwnerMapping) validate(errs FieldErrors) {
	for _, t := range OwnerTypes {
		validateName(errs, PathOwner(t), *o.Field(t))
	}
}

// normalize makes OwnerId the account owner where none is chosen: Salesforce itself always has one.
func (o *OwnerMapping) normalize(d OwnerMapping) {
	for _, t := range OwnerTypes {
		f := o.Field(t)
		*f = orElse(clean(*f), *d.Field(t))
	}
}

func (o OwnerMapping) entries() []entry {
	var out []entry
	for _, t := range OwnerTypes {
		out = append(out, entry{PathOwner(t), t.Label(), *o.Field(t)})
	}
	return out
}
