package audience

// InBatches loads few rows at a time, so that a small file is many batches.
func (l Loading) InBatches(rows int) Loading {
	l.batchRows = rows
	return l
}
