package pipeline

import (
	"context"
	"strings"
	"time"

	"millrace/salesforce/soql"
)

// RecordsPreview is what a filter on any object selects at this moment.
type RecordsPreview struct {
	Count   int64
	Records []map[string]any // a few of them
	Query   string           // that read them, without its limit
	Took    time.Duration
}

// PreviewRecords counts the records of an object that a condition of ours and a typed filter select together, and reads fields of a few of them. Either
// may be missing: then it selects everything. It returns *QueryRefused when Salesforce does not accept the filter, and a Fault for other failures.
func PreviewRecords(ctx context.Context, source Sampler, object string, fields []string, condition soql.Expr, filter string) (RecordsPreview, error) {
	started := time.Now()
	read, count, err := around(object, fields, condition, filter)
	if err != nil {
		return RecordsPreview{}, err
	}
	out := RecordsPreview{Query: read.Text}
	if out.Count, err = source.Count(ctx, count.Text); err != nil {
		return RecordsPreview{}, refused(err, count)
	}
	if out.Count > 0 {
		rows, err := source.Rows(ctx, limited(read.Text, sampleSize))
		if err != nil {
			return RecordsPreview{}, refused(err, read)
		}
		out.Records = rows.Records
	}
	out.Took = time.Since(started)
	return out, nil
}

// around returns the query that reads records and the one that counts them, with the typed filter recognisable in them.
func around(object string, fields []string, condition soql.Expr, filter string) (read, count *soql.Composed, err error) {
	r, err := soql.Select(object, fields, condition)
	if err != nil {
		return nil, nil, err
	}
	c, err := soql.Count(object, condition)
	if err != nil {
		return nil, nil, err
	}
	if strings.TrimSpace(filter) == "" {
		return &soql.Composed{Text: r.String()}, &soql.Composed{Text: c.String()}, nil
	}
	if read, err = soql.Embed(r, filter); err != nil {
		return nil, nil, err
	}
	count, err = soql.Embed(c, filter)
	return read, count, err
}
