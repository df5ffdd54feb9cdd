package pipeline

import "context"

// callsAhead estimates the requests that are left of a planned run by what is known before they are made: what was counted, what is here, and what reading changes took the last two times. How much has
// changed since, only the reading tells.
func (j Work) callsAhead(ctx context.Context, steps []Step) (int64, error) {
	last, err := j.Store.CallsOfChanges(ctx)
	if err != nil {
		return 0, err
	}
	coming, err := j.coming(ctx, steps)
	if err != nil {
		return 0, err
	}
	need, counts := int64(0), int64(0)
	for _, s := range steps {
		if s.Query != "" && s.Batches == nil && !s.Table.Quiet && !s.Refresh {
			counts++
		}
		if s.Done || s.Query == "" {
			continue
		}
		n, err := j.callsOf(ctx, s, coming)
		if err != nil {
			return 0, err
		}
		if s.Reading.Changes {
			n = max(n, last[s.Label])
		}
		need += n
	}
	if need > 0 && j.Entity != EntityRetry {
		need += countCalls(counts)
	}
	return need, nil
}

// coming counts, by table, the records that steps which read everything are about to bring: those that they expect beyond what is here. It has only tables whose records are named by the queries of other steps.
func (j Work) coming(ctx context.Context, steps []Step) (map[string]int64, error) {
	asked, expected, of := map[string]bool{}, map[string]int64{}, map[string]Step{}
	for _, s := range steps {
		if !s.Done && s.Table.Parent != "" && (s.Batches != nil || s.Reading.Changes) {
			asked[s.Table.ParentTable()] = true
		}
	}
	for _, s := range steps {
		if asked[s.Table.Name] && !s.Done && s.Query != "" && !s.Reading.Changes && !s.Refresh && s.Expected != nil {
			set := s.Table.Records()
			of[set], expected[set] = s, expected[set]+*s.Expected
		}
	}
	out := map[string]int64{}
	for set, s := range of {
		here, err := j.Store.Here(ctx, s)
		if err != nil {
			return nil, err
		}
		out[s.Table.Name] += max(expected[set]-here, 0)
	}
	return out, nil
}

// callsOf estimates the requests of a step that is planned. coming is how many records its parents' tables are about to get.
func (j Work) callsOf(ctx context.Context, s Step, coming map[string]int64) (int64, error) {
	switch {
	case s.Batches != nil:
		return j.callsOfBatches(ctx, s, coming)
	case !s.Reading.Changes:
		return j.callsOfAll(ctx, s)
	case s.Expected != nil:
		return callsLeft(s, j.Options) + s.callsOfList(), nil
	}
	n := 2 + s.callsOfList() + batches(int64(len(s.Reading.Again))) // the list of what has changed, and the records
	if s.Table.Parent == "" {
		return n, nil
	}
	news, err := j.Store.ParentNews(ctx, s, j.Options.Entering+1)
	if err != nil {
		return 0, err
	}
	news.Entered += int(coming[s.Table.ParentTable()])
	if why, _ := s.whyWiden(news, j.Options.Entering); why != "" {
		here, err := j.Store.Here(ctx, s)
		if err != nil {
			return 0, err
		}
		s.Expected = &here
		n, err := j.callsOfAll(ctx, s)
		return 1 + n, err
	}
	return n + batches(int64(news.Entered+news.Doubted)), nil
}

// callsOfAll is callsOf for a step that reads everything.
func (j Work) callsOfAll(ctx context.Context, s Step) (int64, error) {
	n, err := j.callsInstead(ctx, s)
	if s.TellsDeleted() {
		n++
	}
	return callsLeft(s, j.Options) + n, err
}

// callsInstead estimates the requests for what records hold instead of an empty field, by how many of them were without it when all were read last. Before that nothing tells: Salesforce counts no records by fields that
// are as long.
func (j Work) callsInstead(ctx context.Context, s Step) (int64, error) {
	if s.Table.Instead == nil {
		return 0, nil
	}
	queries, records, err := j.Store.QueriesBeside(ctx, s)
	if err != nil || records == 0 || s.Expected == nil {
		return queries, err
	}
	return (queries**s.Expected + records - 1) / records, nil
}

// callsOfBatches is callsOf for a step that asks for the children of records here.
func (j Work) callsOfBatches(ctx context.Context, s Step, coming map[string]int64) (int64, error) {
	more, whole := coming[s.Table.ParentTable()]
	of, n := s, int64(0)
	if s.Reading.Changes {
		n = 1 + batches(int64(len(s.Reading.Again))) // the list of what has changed, and what could not be stored
		switch {
		case whole:
			of.Reading = Reading{} // any of the parents may be written
		case s.Mode == "": // which of them are, only their own steps tell
			return n + 1, nil
		}
	}
	parents, children, err := j.Store.Asked(ctx, of)
	if err != nil {
		return 0, err
	}
	done, err := j.Store.Pages(ctx, s)
	if err != nil {
		return 0, err
	}
	return n + max(batches(parents+more)+children/restRows-int64(len(done)), 1), nil
}

// callsOfList is how many requests it takes to go through the list of what has changed again, behind its first page, as far as that has told. The last step of a set does, and once more where the list does not
// tell by itself what has become too old to be looked back for.
func (s Step) callsOfList() int64 {
	if !s.Reading.Last {
		return 0
	}
	times := int64(1)
	if w := s.Table.Window; w != nil && w.Under != "" && s.Reading.Anytime != "" {
		times = 2
	}
	return times * (s.Reading.Listed / restRows)
}

// countCalls is how many requests ask for so many counts.
func countCalls(counts int64) int64 { return (counts + CountsAtOnce - 1) / CountsAtOnce }

// batches is how many queries name so many records.
func batches(records int64) int64 { return (records + batchSize - 1) / batchSize }

// callsLeft estimates the requests of a step that is planned and counted.
func callsLeft(s Step, o Options) int64 {
	mode := Bulk
	if s.Table.Paged || s.Expected != nil && *s.Expected <= o.RESTLimit {
		mode = REST
	}
	return calls(s, mode, o) - 1
}
