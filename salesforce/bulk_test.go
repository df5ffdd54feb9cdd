package salesforce

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/gzip"
)

const jobID = "750000000000001AAA"

func TestResultsHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		headers http.Header
		locator string // wanted; "-" for an error
	}{
		{"more", http.Header{"Content-Type": {"text/csv"}, "Sforce-Locator": {"MTAwMDA"}, "Sforce-Numberofrecords": {"2"}}, "MTAwMDA"},
		{"last", http.Header{"Content-Type": {"text/csv; charset=UTF-8"}, "Sforce-Locator": {"null"}, "Sforce-Numberofrecords": {"2"}}, ""},
		{"no locator", http.Header{"Content-Type": {"text/csv"}, "Sforce-Numberofrecords": {"2"}}, "-"},
		{"the same locator again", http.Header{"Content-Type": {"text/csv"}, "Sforce-Locator": {"asked"}, "Sforce-Numberofrecords": {"2"}}, "-"},
		{"no number of records", http.Header{"Content-Type": {"text/csv"}, "Sforce-Locator": {"null"}}, "-"},
		{"number of records is none", http.Header{"Content-Type": {"text/csv"}, "Sforce-Locator": {"null"}, "Sforce-Numberofrecords": {"-1"}}, "-"},
		{"JSON", http.Header{"Content-Type": {"application/json"}, "Sforce-Locator": {"null"}, "Sforce-Numberofrecords": {"2"}}, "-"},
		{"a page", http.Header{"Content-Type": {"text/html"}, "Sforce-Locator": {"null"}, "Sforce-Numberofrecords": {"2"}}, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.String() != "/services/data/v66.0/jobs/query/"+jobID+"/results?locator=asked&maxRecords=50" {
					t.Errorf("%s", r.URL)
				}
				for k, v := range tt.headers {
					w.Header()[k] = v
				}
				io.WriteString(w, "\"Id\"\n\"1\"\n\"2\"\n")
			})
			r, err := s.Results(t.Context(), jobID, "asked", 50)
			if tt.locator == "-" {
				var e *AnswerError
				if !errors.As(err, &e) || !IsTransient(err) || r != nil {
					t.Errorf("%+v, %v", r, err)
				}
				if len(s.slots) != 0 {
					t.Error("a refused answer keeps its slot")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rows, err := readCSV(NewCSVReader(r.Body))
			r.Body.Close()
			if err != nil || len(rows) != 3 || r.Locator != tt.locator || r.Records != 2 || len(s.slots) != 0 {
				t.Errorf("%q, %+v, %v", rows, r, err)
			}
		})
	}
}

// A stream that is cut at any byte, plain or gzipped, is an error or whole.
func TestCutResults(t *testing.T) {
	t.Parallel()
	const text = "\"Id\",\"Name\"\n\"1\",\"a\"\"b\"\n\"2\",\"c\nd\"\n"
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	io.WriteString(z, text)
	z.Close()
	var cut atomic.Int64
	for encoding, whole := range map[string]string{"": text, "gzip": packed.String()} {
		s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Sforce-Locator", "null")
			w.Header().Set("Sforce-NumberOfRecords", "2")
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			io.WriteString(w, whole[:cut.Load()])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
		for n := range len(whole) {
			cut.Store(int64(n))
			r, err := s.Results(t.Context(), jobID, "", 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = readCSV(NewCSVReader(r.Body))
			r.Body.Close()
			if !IsTransient(err) || !errors.Is(err, ErrTruncated) {
				t.Errorf("%q cut at %d: %v", encoding, n, err)
			}
		}
	}
}

// A bomb in a stream meets the field limit of the reader, without memory for the rest.
func TestBombInResults(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Sforce-Locator", "null")
		w.Header().Set("Sforce-NumberOfRecords", "1")
		z := gzip.NewWriter(w)
		defer z.Close()
		io.WriteString(z, "\"A\"\n\"")
		zeros := []byte(strings.Repeat("0", 1<<20))
		for range 1024 {
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
	})
	r, err := s.Results(t.Context(), jobID, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	c := NewCSVReader(r.Body)
	if _, err := readCSV(c); !errors.Is(err, ErrTooLarge) || IsTransient(err) || len(c.buf) > 8<<20 {
		t.Errorf("%v with a buffer of %d bytes", err, len(c.buf))
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Method == http.MethodPost && strings.Contains(string(body), `"operation":"queryAll"`):
			writeJSON(w, 200, `{"id":"`+jobID+`","state":"UploadComplete","apiVersion":66.0}`)
		case r.Method == http.MethodPost:
			writeJSON(w, 200, `{"state":"UploadComplete"}`)
		case r.Method == http.MethodGet:
			writeJSON(w, 200, `{"id":"`+jobID+`","state":"Failed","numberRecordsProcessed":12345678901,"errorMessage":"InvalidBatch : no","retries":0}`)
		case r.Method == http.MethodPatch && string(body) == `{"state":"Aborted"}`:
			writeJSON(w, 200, `{"id":"`+jobID+`","state":"Aborted"}`)
		case r.Method == http.MethodDelete && gone.Swap(true):
			writeJSON(w, 404, errorJSON("NOT_FOUND", "The requested resource does not exist"))
		case r.Method == http.MethodDelete:
			w.WriteHeader(204)
		default:
			t.Errorf("%s %s %s", r.Method, r.URL, body)
		}
	})
	ctx := t.Context()
	if j, err := s.CreateQueryAllJob(ctx, "SELECT Id FROM Account"); err != nil || j != (Job{ID: jobID, State: JobUploadComplete}) {
		t.Errorf("%+v, %v", j, err)
	}
	var e *AnswerError
	if _, err := s.CreateQueryJob(ctx, "SELECT Id FROM Account"); !errors.As(err, &e) {
		t.Errorf("a job without id: %v", err)
	}
	if j, err := s.Job(ctx, jobID); err != nil || j != (Job{ID: jobID, State: JobFailed, ErrorMessage: "InvalidBatch : no", Processed: 12345678901}) {
		t.Errorf("%+v, %v", j, err)
	}
	if err := s.AbortJob(ctx, jobID); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.DeleteJob(ctx, jobID), s.DeleteJob(ctx, jobID)); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"", "../../limits", "750", jobID + "/results"} {
		if _, err := s.Job(ctx, id); err == nil {
			t.Errorf("%q is no job id", id)
		}
	}
}
