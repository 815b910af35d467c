package main

import (
	"fmt"
	"strings"
)

// diffContext is how many unchanged lines stand around a change.
const diffContext = 3

// diff shows what turns a into b, as hunks of the unified format. Files are
// small, so the plain table of longest common subsequences is enough.
func diff(a, b string) string {
	x, y := splitLines(a), splitLines(b)
	lcs := make([][]int, len(x)+1)
	for i := range lcs {
		lcs[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				lcs[i][j] = lcs[i+1][j+1] + 1
			} else {
				lcs[i][j] = max(lcs[i+1][j], lcs[i][j+1])
			}
		}
	}
	type step struct {
		mark byte
		text string
		i, j int // line numbers before the step, from 0
	}
	var steps []step
	for i, j := 0, 0; i < len(x) || j < len(y); {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			steps = append(steps, step{' ', x[i], i, j})
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && lcs[i+1][j] >= lcs[i][j+1]:
			steps = append(steps, step{'-', x[i], i, j})
			i++
		default:
			steps = append(steps, step{'+', y[j], i, j})
			j++
		}
	}
	var out strings.Builder
	for at := 0; at < len(steps); {
		if steps[at].mark == ' ' {
			at++
			continue
		}
		// The hunk ends where more unchanged lines follow than two contexts hold.
		end, quiet := at, 0
		for k := at; k < len(steps) && quiet <= 2*diffContext; k++ {
			quiet++
			if steps[k].mark != ' ' {
				end, quiet = k, 0
			}
		}
		from, to := max(at-diffContext, 0), min(end+1+diffContext, len(steps))
		olds, news := 0, 0
		for _, s := range steps[from:to] {
			if s.mark != '+' {
				olds++
			}
			if s.mark != '-' {
				news++
			}
		}
		fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n", steps[from].i+1, olds, steps[from].j+1, news)
		for _, s := range steps[from:to] {
			out.WriteString(string(s.mark) + s.text + "\n")
		}
		at = to
	}
	return out.String()
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
