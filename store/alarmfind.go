package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// HaltedNotices are the notices that stopped by themselves.
func (s *Store) HaltedNotices(ctx context.Context) ([]notifier.Notice, error) {
	var rows []struct{ ID, Title, Halted string }
	if err := s.conn(ctx).Raw(`SELECT id, title, halted FROM notices WHERE state = 'halted' ORDER BY id`).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("look for halted notices: %w", err))
	}
	out := make([]notifier.Notice, 0, len(rows))
	for _, r := range rows {
		out = append(out, notifier.Notice{ID: r.ID, Title: r.Title, State: notifier.NoticeHalted, Halted: r.Halted})
	}
	return out, nil
}

// DisabledEndpoints are those that were disabled since a time, latest first.
func (s *Store) DisabledEndpoints(ctx context.Context, since time.Time, limit int) ([]subscribers.Hook, error) {
	var numbers []int64
	if err := s.conn(ctx).Raw(`SELECT e.subscriber FROM endpoints AS e JOIN subscribers AS r ON r.number = e.subscriber
		WHERE e.failing_since > 0 AND e.disabled_at >= ? AND r.state <> 'unsubscribed' ORDER BY e.disabled_at DESC, e.subscriber LIMIT ?`, micros(since), limit).Scan(&numbers).Error; err != nil {
		return nil, translate(fmt.Errorf("look for disabled endpoints: %w", err))
	}
	out := make([]subscribers.Hook, 0, len(numbers))
	for _, n := range numbers {
		h, err := s.Hook(ctx, subscribers.Number(n))
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// OverriddenNotices are those that an admin told to be sent without a second
// person since a time.
func (s *Store) OverriddenNotices(ctx context.Context, since time.Time) ([]notifier.Notice, error) {
	var rows []noticeRow
	if err := s.conn(ctx).Where("approved <> '[]' AND state <> 'draft'").Order("ordered_at, id").Find(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("look for notices without a second person: %w", err))
	}
	var out []notifier.Notice
	for _, r := range rows {
		c, err := r.course()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(c.Approved, func(a notifier.Approval) bool { return a.Reason != "" && !a.At.Before(since) }) {
			out = append(out, c.Notice)
		}
	}
	return out, nil
}

// StuckUpdates are the held updates that nothing will publish any more: it was
// tried, or their notice was cancelled.
func (s *Store) StuckUpdates(ctx context.Context) ([]notifier.HeldUpdate, error) {
	var rows []heldRow
	if err := s.conn(ctx).Raw(`SELECT h.*, n.state AS notice FROM held_updates AS h JOIN notices AS n ON n.id = h.notice_id
		WHERE h.published_at = 0 AND (h.trouble <> '' OR n.state = 'cancelled') ORDER BY h.created_at, h.id`).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("look for updates that stay held: %w", err))
	}
	out := make([]notifier.HeldUpdate, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.held(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// StuckEvents are those of announcements that were accepted before a time and
// are not handed out to everybody yet, oldest first. What is held down is late
// only by when its hold ended.
func (s *Store) StuckEvents(ctx context.Context, before time.Time, limit int) ([]notifier.Event, error) {
	var rows []eventRow
	if err := s.conn(ctx).Where("expanded_at = 0 AND lane <= ? AND NOT stopped AND NOT withdrawn AND accepted_at < ? AND held_until < ?", int(notifier.LaneRoutine), micros(before), micros(before)).
		Order("lane, number").Limit(limit).Find(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("look for events that are not handed out: %w", err))
	}
	out := make([]notifier.Event, 0, len(rows))
	for _, r := range rows {
		e, err := r.event()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}
