package audience

// InBatches loads few rows at a time, so that a small file is many batches.
func (l Loading) InBatches(rows int) Loading {
	l.batchRows = rows
	return l
}

// Keeping keeps no more of a file that cannot be read twice.
func (l Loading) Keeping(most int64) Loading {
	l.mostKept = most
	return l
}
