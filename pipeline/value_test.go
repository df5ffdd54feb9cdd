package pipeline

import "testing"

func TestValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  Kind
		value string
		ok    bool
	}{
		{Number, "0", true}, {Number, "-0", true}, {Number, "-12.50", true}, {Number, "1.2E7", true}, {Number, "1e400", true}, {Number, ".5", true},
		{Number, "1e1001", false}, {Number, "Infinity", false}, {Number, "NaN", false}, {Number, "1,5", false}, {Number, "", true}, {Number, "-", false},
		{Number, "1e", false}, {Number, "0x10", false}, {Number, "1 ", false}, {Number, "12e+3", true}, {Number, "1.2.3", false},
		{Date, "2024-02-29", true}, {Date, "2023-02-29", false}, {Date, "4000-12-31", true}, {Date, "1900-02-29", false}, {Date, "0000-01-01", false},
		{Date, "2024-1-1", false}, {Date, "2024-01-01T00:00:00Z", false}, {Date, "2024-04-31", false}, {Date, "20240101", false},
		{DateTime, "2024-01-31T10:00:00.000Z", true}, {DateTime, "2024-01-31T10:00:00.000+0000", true}, {DateTime, "2024-01-31T10:00:00+02:00", true},
		{DateTime, "2024-01-31T25:00:00.000Z", false}, {DateTime, "2024-01-31 10:00:00Z", false}, {DateTime, "2024-01-31T10:00:00", false},
		{DateTime, "2024-01-31T10:00:00.Z", false}, {DateTime, "2024-01-31T10:00:60Z", false}, {DateTime, "2024-01-31T10:00:00.000+00", false},
		{Bool, "true", true}, {Bool, "false", true}, {Bool, "TRUE", false}, {Bool, "1", false},
		{ID, "001D000000IRFma", true}, {ID, "001D000000IRFmaIAH", true}, {ID, "001d000000IRFmaIAH", false}, {ID, "001D000000IRFmaIA", false},
		{ID, "001D000000IRF-a", false}, {ID, "", true},
	} {
		if wrong := c.kind.check([]byte(c.value)); (wrong == "") != c.ok {
			t.Errorf("%q as %s: %q", c.value, c.kind.noun(), wrong)
		}
	}
}

func TestFullID(t *testing.T) {
	t.Parallel()
	for short, full := range map[string]string{"001D000000IRFma": "001D000000IRFmaIAH", "003q000000KvQ1t": "003q000000KvQ1tAAF", "000000000000000": "000000000000000AAA"} {
		var got [18]byte
		if !fullID(&got, []byte(short)) || string(got[:]) != full {
			t.Errorf("%s became %s, want %s", short, got, full)
		}
	}
}

func TestDomain(t *testing.T) {
	t.Parallel()
	for website, want := range map[string]string{
		"https://www.Example.com/about?x=1": "example.com", "example.com": "example.com", "WWW.example.co.uk": "example.co.uk",
		"http://example.com:8080/": "example.com", "ftp://user@files.example.org": "files.example.org", "bücher.example": "bücher.example",
		"n/a": "", "none": "", "http://": "", "localhost": "", ".": "", "https://exa mple.com": "", " example.com ": "example.com", "example.com/path": "example.com",
	} {
		if got := domain(website); got != want {
			t.Errorf("%q gives %q, want %q", website, got, want)
		}
	}
}

func FuzzValues(f *testing.F) {
	for _, v := range []string{"1e5", "2024-02-29", "2024-01-31T10:00:00.000+0000", "001D000000IRFmaIAH", "https://x.y", ""} {
		f.Add([]byte(v))
	}
	f.Fuzz(func(_ *testing.T, v []byte) {
		for k := Text; k <= Domain; k++ {
			k.check(v)
		}
		domain(string(v))
	})
}
