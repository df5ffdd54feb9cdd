package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"millrace/salesforce/soql"
)

// FieldDefinition is a field as the org's administrators know it, whether or not the connected user may read its values.
type FieldDefinition struct{ Name, Label, DataType string }

// FieldDefinitions lists all fields of an object through the Tooling API; none for an object that the org does not have. A user who may not look into Setup
// gets an *APIError. The list is kept for as long as a describe, and shared: do not change it.
func (c *Client) FieldDefinitions(ctx context.Context, object string) ([]FieldDefinition, error) {
	e := c.schema.definitionsOf(object)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("salesforce: waiting for the fields of %s: %w", object, ctx.Err())
	}
	if held := e.answer.Load(); held != nil && c.now().Sub(e.checked) < schemaTTL {
		return *held, nil
	}
	list, err := c.fieldDefinitions(ctx, object)
	if err != nil {
		return nil, err
	}
	e.checked = c.now()
	e.answer.Store(&list)
	return list, nil
}

func (c *Client) fieldDefinitions(ctx context.Context, object string) ([]FieldDefinition, error) {
	entity, err := c.tooling(ctx, "EntityDefinition", []string{"DurableId"}, "QualifiedApiName", object)
	if err != nil || len(entity) == 0 {
		return nil, err
	}
	id, _ := entity[0]["DurableId"].(string)
	records, err := c.tooling(ctx, "FieldDefinition", []string{"QualifiedApiName", "Label", "DataType"}, "EntityDefinitionId", id)
	if err != nil {
		return nil, err
	}
	out := make([]FieldDefinition, len(records))
	for i, r := range records {
		out[i].Name, _ = r["QualifiedApiName"].(string)
		out[i].Label, _ = r["Label"].(string)
		out[i].DataType, _ = r["DataType"].(string)
	}
	return out, nil
}

// tooling returns the records of a table of the Tooling API whose column holds a text; one page holds as many as an object can have fields.
func (c *Client) tooling(ctx context.Context, table string, fields []string, column, text string) ([]Record, error) {
	where, err := soql.Compare(column, soql.Equal, soql.Text(text))
	if err != nil {
		return nil, err
	}
	query, err := soql.Select(table, fields, where)
	if err != nil {
		return nil, err
	}
	var w queryWire
	q := request{kind: CallDescribe, method: http.MethodGet, path: c.data("/tooling/query"), query: url.Values{"q": {query.String()}}}
	if err := c.json(ctx, q, &w); err != nil {
		return nil, err
	}
	r, err := w.result(q.path)
	if err != nil {
		return nil, err
	}
	return r.Records, nil
}
