package templates

import (
	"fmt"
	"strings"
)

// diffContext is how many unchanged lines stand around a change.
const diffContext = 3

// diffTable is how large the table of common lines may grow; of files that
// differ in more, all that differs is shown as taken away and put there.
const diffTable = 4 << 20

// Diff shows what turns a into b, as hunks of the unified format; "" where
// nothing does.
func Diff(a, b string) string {
	steps := stepsOf(diffLines(a), diffLines(b))
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
		fmt.Fprintf(&out, "@@ -%s +%s @@\n", span(steps[from].i, olds), span(steps[from].j, news))
		for _, s := range steps[from:to] {
			out.WriteString(string(s.mark) + s.text)
			if !strings.HasSuffix(s.text, "\n") {
				out.WriteString("\n\\ No newline at end of file\n")
			}
		}
		at = to
	}
	return out.String()
}

// span is which lines a hunk is about: an empty one stands behind the line before it.
func span(from, lines int) string {
	if lines > 0 {
		from++
	}
	return fmt.Sprintf("%d,%d", from, lines)
}

// diffStep is a line that stays, goes or comes.
type diffStep struct {
	mark byte
	text string
	i, j int // line numbers before the step, from 0
}

// stepsOf is how x becomes y.
func stepsOf(x, y []string) []diffStep {
	begin := 0
	for begin < min(len(x), len(y)) && x[begin] == y[begin] {
		begin++
	}
	end := 0
	for end < min(len(x), len(y))-begin && x[len(x)-1-end] == y[len(y)-1-end] {
		end++
	}
	var steps []diffStep
	stays := func(i, j, n int) {
		for k := range n {
			steps = append(steps, diffStep{' ', x[i+k], i + k, j + k})
		}
	}
	stays(0, 0, begin)
	olds, news := x[begin:len(x)-end], y[begin:len(y)-end]
	left := common(olds, news)
	for i, j := 0, 0; i < len(olds) || j < len(news); {
		switch {
		case i < len(olds) && j < len(news) && olds[i] == news[j]:
			stays(begin+i, begin+j, 1)
			i, j = i+1, j+1
		case j == len(news) || i < len(olds) && left(i+1, j) >= left(i, j+1):
			steps = append(steps, diffStep{'-', olds[i], begin + i, begin + j})
			i++
		default:
			steps = append(steps, diffStep{'+', news[j], begin + i, begin + j})
			j++
		}
	}
	stays(len(x)-end, len(y)-end, end)
	return steps
}

// common is how many lines what is left of x and y has in common.
func common(x, y []string) func(i, j int) int {
	if len(x)*len(y) > diffTable {
		return func(int, int) int { return 0 }
	}
	table := make([]int32, (len(x)+1)*(len(y)+1))
	at := func(i, j int) int { return i*(len(y)+1) + j }
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[at(i, j)] = table[at(i+1, j+1)] + 1
			} else {
				table[at(i, j)] = max(table[at(i+1, j)], table[at(i, j+1)])
			}
		}
	}
	return func(i, j int) int { return int(table[at(i, j)]) }
}

// diffLines are lines with their ends.
func diffLines(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
