package templates

import (
	"errors"
	"fmt"
	"html/template"
	"reflect"
	"text/template/parse"
)

// loopGuard is the function through which every loop's list goes. Its name is
// one of no template's own.
const loopGuard = "loopOver"

var errNumberLoop = errors.New("a loop over a number: loop over a list")

func loopFuncs() template.FuncMap { return template.FuncMap{loopGuard: loopOver} }

// loopOver is what is looped over, unless it is a number: a loop of 99999999999
// turns that writes nothing stops at no bound of what is written, and nothing
// can end a template from outside.
func loopOver(list any) (any, error) {
	v := reflect.ValueOf(list)
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if isNumber(v.Kind()) {
		return nil, errNumberLoop
	}
	return list, nil
}

func isNumber(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Float64 }

// guardLoops refuses loops over a number that is written down, even where no
// sample goes, and has the lists of all others looked at when they are known.
func guardLoops(t *template.Template) error {
	for _, each := range t.Templates() {
		if each.Tree == nil || each.Tree.Root == nil {
			continue
		}
		if err := guardList(each.Tree, each.Tree.Root); err != nil {
			return err
		}
	}
	return nil
}

func guardList(tree *parse.Tree, list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		var branch *parse.BranchNode
		switch n := n.(type) {
		case *parse.IfNode:
			branch = &n.BranchNode
		case *parse.WithNode:
			branch = &n.BranchNode
		case *parse.RangeNode:
			branch = &n.BranchNode
			if err := guardLoop(tree, n); err != nil {
				return err
			}
		default:
			continue
		}
		if err := errors.Join(guardList(tree, branch.List), guardList(tree, branch.ElseList)); err != nil {
			return err
		}
	}
	return nil
}

func guardLoop(tree *parse.Tree, n *parse.RangeNode) error {
	last := n.Pipe.Cmds[len(n.Pipe.Cmds)-1]
	if id, ok := last.Args[0].(*parse.IdentifierNode); ok && id.Ident == loopGuard && len(n.Pipe.Cmds) > 1 {
		return nil // a template that was parsed into the set before
	}
	_, number := last.Args[0].(*parse.NumberNode)
	id, ok := last.Args[0].(*parse.IdentifierNode)
	if number || ok && id.Ident == "len" {
		return fmt.Errorf("templates: %s:%d: %w", tree.ParseName, n.Line, errNumberLoop)
	}
	guard := parse.NewIdentifier(loopGuard).SetTree(tree).SetPos(n.Pos)
	n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{guard}})
	return nil
}
