package db_test

import (
	"reflect"
	"testing"

	"millrace/pipeline"
)

func TestSchemaSeen(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	if seen, at, err := d.SchemaSeen(t.Context(), c.ID); seen != nil || !at.IsZero() || err != nil {
		t.Errorf("before anything is seen: %v %v %v", seen, at, err)
	}
	for _, want := range [][]pipeline.SeenObject{
		{{Name: "Account", Label: "Account", Fields: []pipeline.SeenField{{Name: "Tier__c", Label: "Tier “1”", Type: "Picklist"}}}},
		{{Name: "Case", Label: "Case"}},
		{},
	} {
		if err := d.KeepSchemaSeen(t.Context(), c.ID, want); err != nil {
			t.Fatal(err)
		}
		if seen, at, err := d.SchemaSeen(t.Context(), c.ID); !reflect.DeepEqual(seen, want) || at.IsZero() || err != nil {
			t.Errorf("got %v, want %v: %v", seen, want, err)
		}
	}
}
