package web

import (
	"slices"
	"testing"

	"millrace/settings"
)

func TestFindingsFollowTheCards(t *testing.T) {
	t.Parallel()
	got := sortedPaths(settings.FieldErrors{"custom_objects.10.match": nil, "custom_objects.2.name": nil, "custom_objects.2.match": nil, settings.PathSingle: nil})
	if want := []string{settings.PathSingle, "custom_objects.2.match", "custom_objects.2.name", "custom_objects.10.match"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
