package sim

import (
	"io"
	"syscall"
	"testing"
	"time"
)

// bulkQuery is a select list as the product's own account step has it: ids, names, picklists, references, numbers, dates, text.
const bulkQuery = `SELECT Id, Name, Type, Industry, OwnerId, Owner.Name, Website, Phone, BillingCity, BillingCountry, NumberOfEmployees, AnnualRevenue,
	ARR__c, Tier__c, Region__c, Tags__c, Health_Score__c, Renewal_Date__c, Is_Reference__c, Description, CreatedDate, LastModifiedDate, SystemModstamp
	FROM Account`

// BenchmarkBulkPage writes one page of 50,000 rows, the default size of a bulk result page.
func BenchmarkBulkPage(b *testing.B) {
	o, err := New(Options{Accounts: defaultPageRows})
	if err != nil {
		b.Fatal(err)
	}
	p, err := o.prepare(o.world.Load(), bulkQuery, userIntegration, mode{bulk: true})
	if err != nil {
		b.Fatal(err)
	}
	var n counter
	writeCSV(&n, p.cols, p.rows, ',', "\n", 0)
	b.SetBytes(int64(n))
	b.ReportAllocs()
	before, rounds := cpuTime(), 0
	for b.Loop() {
		writeCSV(io.Discard, p.cols, p.rows, ',', "\n", 0)
		rounds++
	}
	// Wall time says little on a shared machine; the promise is about one core's worth of work.
	b.ReportMetric(float64(n)*float64(rounds)/1e6/(cpuTime()-before).Seconds(), "MB/cpu-s")
}

// cpuTime is the processor time that the process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for the process itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type counter int

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

// BenchmarkMillionAccounts starts an org of a million accounts and finds the rows of a filtered query in it.
func BenchmarkMillionAccounts(b *testing.B) {
	for b.Loop() {
		o, err := New(Options{Accounts: 1_000_000})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := o.EvalCount("SELECT COUNT() FROM Account WHERE Type = 'Customer' AND Owner.Name LIKE 'T%'"); err != nil {
			b.Fatal(err)
		}
	}
}
