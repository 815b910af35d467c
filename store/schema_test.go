package store_test

import (
	"os"
	"strings"
	"testing"

	"allclear/store/storetest"
)

// sample is a row of every table, with what others refer to first. The upgrade
// test keeps the same rows in its frozen databases.
func sample(t *testing.T, dialect string) []string {
	t.Helper()
	raw, err := os.ReadFile("testdata/sample.sql")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for statement := range strings.SplitSeq(string(raw), ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			out = append(out, statement)
		}
	}
	if dialect == "sqlite" { // where a text in a column of bytes stays a text
		out = append(out, `UPDATE endpoints SET secret = CAST(secret AS blob), old_secret = CAST(old_secret AS blob), token_hash = CAST(token_hash AS blob)`,
			`UPDATE tokens SET hash = CAST(hash AS blob)`,
			`UPDATE staff SET secret = CAST(secret AS blob), link_hash = CAST(link_hash AS blob)`, `UPDATE staff_codes SET hash = CAST(hash AS blob)`,
			`UPDATE sessions SET hash = CAST(hash AS blob)`,
			`UPDATE answers SET key_hash = CAST(key_hash AS blob), body_hash = CAST(body_hash AS blob), answer = CAST(answer AS blob)`)
	}
	return out
}

// Whatever a bug makes of a row, the databases do not take it.
func TestImpossibleRowsAreRefused(t *testing.T) {
	impossible := []string{
		`INSERT INTO components (key, name, state, created_at) VALUES ('', 'x', 'operational', 1)`,
		`INSERT INTO components (key, name, state, created_at) VALUES ('x', 'x', 'on_fire', 1)`,
		`INSERT INTO components (key, name, state, created_at) VALUES ('web', 'twice', 'operational', 1)`,
		`DELETE FROM components WHERE key = 'web'`,

		`UPDATE incidents SET title = ''`,
		`UPDATE incidents SET kind = 'rumour'`,
		`UPDATE incidents SET severity = 4`,
		`UPDATE incidents SET severity = -1`,
		`UPDATE incidents SET state = 'deleted'`,
		`UPDATE incidents SET status = 'scheduled' WHERE kind = 'incident'`,
		`UPDATE incidents SET status = 'investigating' WHERE kind = 'post'`,
		`UPDATE incidents SET starts_at = 0 WHERE kind = 'maintenance'`,
		`UPDATE incidents SET ends_at = starts_at WHERE kind = 'maintenance'`,
		`UPDATE incidents SET status = 'resolved', resolved_at = 0 WHERE kind = 'incident'`,
		`UPDATE incidents SET status = 'monitoring', resolved_at = 9 WHERE kind = 'incident'`,
		`INSERT INTO incident_components (incident_id, component_key, place) VALUES ('inc1', 'none', 0)`,
		`INSERT INTO incident_components (incident_id, component_key, place) VALUES ('none', 'web', 0)`,
		`UPDATE updates SET incident_id = 'none'`,
		`UPDATE updates SET severity = 9`,
		`UPDATE updates SET place = 1`,

		`UPDATE events SET number = 0 WHERE number = 1`,
		`UPDATE events SET number = 2147483648 WHERE number = 1`,
		`UPDATE events SET id = 'evt2' WHERE number = 1`,
		`UPDATE events SET id = '' WHERE number = 1`,
		`UPDATE events SET lane = 6`,
		`UPDATE events SET lane = 0`,
		`UPDATE events SET kind = 'rumour'`,
		`UPDATE events SET expires_at = accepted_at`,
		`UPDATE events SET held_until = -1`,
		`UPDATE reminder_plans SET starts_at = 0`,
		`UPDATE reminder_plans SET planned_at = 0`,
		`UPDATE reminder_plans SET reminded_at = starts_at`,
		`UPDATE reminder_plans SET incident_id = 'none'`,
		`UPDATE events SET reader = 1 WHERE number = 1`,
		`UPDATE events SET reader = 0 WHERE number = 3`,
		`UPDATE events SET incident_id = 'none' WHERE number = 1`,
		`UPDATE events SET incident_id = 'inc1' WHERE number = 5`,

		`UPDATE event_counts SET total = total + 1`,
		`UPDATE event_counts SET sent = -1, failed = failed + 2`,
		`UPDATE event_counts SET held = unsettled + 1`,
		`UPDATE event_counts SET tried = total + 1`,
		`UPDATE event_latency SET messages = -1`,

		`UPDATE subscribers SET number = 0 WHERE number = 2`,
		`UPDATE subscribers SET number = 4294967296 WHERE number = 2`,
		`UPDATE subscribers SET address = ''`,
		`UPDATE subscribers SET address = 'a@example.org' WHERE number = 2`,
		`UPDATE subscribers SET channel = 'pigeon'`,
		`UPDATE subscribers SET hour = 24`,
		`UPDATE subscribers SET hour = -2`,
		`UPDATE subscribers SET weekday = 8`,
		`INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at) VALUES ('instant', 0, 0, '', 1)`,
		`INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at) VALUES ('daily', 0, 1, '', 1)`,
		`INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at) VALUES ('daily', -1, 0, '', 1)`,
		`INSERT INTO digest_setting (one, setting, set_at) VALUES (2, '9 UTC', 1)`,
		`UPDATE digest_setting SET setting = ''`,
		`UPDATE digest_setting SET set_at = 0`,
		`INSERT INTO notice_texts (one, name, set_at) VALUES (2, 'x', 1)`,
		`INSERT INTO notice_texts (one, name, set_at) VALUES (1, '', 1)`,
		`UPDATE digest_runs SET hour = 24`,
		`UPDATE digest_runs SET up_to = 0`,
		`UPDATE digest_runs SET missed = -1`,
		`INSERT INTO digest_cursors (subscriber, cursor, turned) VALUES (99, 1, 1)`,
		`INSERT INTO digests (event_number, cadence, hour, weekday, timezone, day, missed) VALUES (6, 'weekly', 0, 7, 'Asia/Kathmandu', '2026-11-29', 0)`,
		`UPDATE digests SET day = ''`,
		`UPDATE digests SET cadence = ''`,
		`INSERT INTO digest_contents (event_number, place, hash, items) VALUES (5, 2, 'c0ffee', '1')`,
		`INSERT INTO digest_contents (event_number, place, hash, items) VALUES (9, 1, 'c0ffee', '1')`,
		`UPDATE digest_contents SET items = ''`,
		`UPDATE digest_contents SET place = 0`,
		`INSERT INTO digest_readers (reader, event_number, place) VALUES (7, 5, 2)`,
		`UPDATE subscribers SET second_of = 8 WHERE number = 8`,
		`UPDATE subscribers SET second_of = -1 WHERE number = 8`,
		`UPDATE subscribers SET cadence = 'daily' WHERE number = 8`,
		`UPDATE subscribers SET second_of = 1 WHERE number = 2`,
		`INSERT INTO seconds (first, channel, address, asked_at) VALUES (1, 'sms', '+4791234567', 1)`,
		`INSERT INTO seconds (first, channel, address, asked_at) VALUES (99, 'sms', '+4791234567', 1)`,
		`UPDATE seconds SET channel = 'pigeon'`,
		`UPDATE seconds SET asked_at = 0`,
		`INSERT INTO own_domains (domain, component) VALUES ('example.org', 'other')`,
		`UPDATE own_domains SET component = ''`,
		`INSERT INTO outages (number, domain, component, down_at, from_event) VALUES (3, 'example.org', 'web', 1, 1)`,
		`UPDATE outages SET back_at = 1 WHERE number = 2`,
		`UPDATE outages SET told_at = 1 WHERE number = 2`,
		`UPDATE outages SET from_event = 0`,
		`UPDATE digests SET domain = 'example.org'`,
		`UPDATE subscribers SET state = 'curious'`,
		`UPDATE subscribers SET severity = 4`,
		`UPDATE subscribers SET kinds = 8`,
		`UPDATE subscribers SET cadence = 'hourly'`,
		`UPDATE subscribers SET state = 'unsubscribed', unsubscribed_at = 0`,
		`UPDATE subscribers SET shared = true WHERE number = 1`,
		`UPDATE subscribers SET contact = 'boss@example.org' WHERE number = 1`,
		`UPDATE subscribers SET paused_until = 5 WHERE number = 1`,
		`UPDATE subscribers SET paused_until = -1`,
		`UPDATE subscribers SET left_by = 'mood' WHERE number = 4`,
		`UPDATE subscribers SET left_by = 'link' WHERE number = 1`,
		`UPDATE subscribers SET left_from = 'unsubscribed' WHERE number = 4`,
		`INSERT INTO moves (subscriber, target, asked_at) VALUES (1, 1, 1)`,
		`INSERT INTO moves (subscriber, target, asked_at) VALUES (1, 99, 1)`,
		`INSERT INTO moves (subscriber, target, asked_at) VALUES (99, 1, 1)`,
		`INSERT INTO moves (subscriber, target, asked_at) VALUES (1, 2, 0)`,
		`INSERT INTO moves (subscriber, target, asked_at) VALUES (1, 3, 1), (2, 3, 1)`,
		`INSERT INTO subscriber_components (subscriber, component_key) VALUES (1, 'none')`,
		`INSERT INTO subscriber_components (subscriber, component_key) VALUES (99, 'web')`,
		`UPDATE suppressions SET reason = 'mood'`,
		`UPDATE suppressions SET channel = 'pigeon'`,
		`UPDATE suppressions SET address = ''`,

		`UPDATE signups SET id = ''`,
		`UPDATE signups SET address = ''`,
		`UPDATE signups SET due_at = asked_at - 1`,
		`UPDATE budgets SET scope = 'mood'`,
		`INSERT INTO budgets (scope, key, whole_at) VALUES ('all', '', 1)`,
		`UPDATE consent_texts SET version = ''`,
		`UPDATE consents SET step = 'guessed'`,
		`UPDATE consents SET subscriber = 99`,

		`UPDATE deliveries SET event_number = 2 WHERE id = 4294967297`,
		`UPDATE deliveries SET id = 8589934594 WHERE id = 4294967297`,
		`UPDATE deliveries SET id = 0 WHERE id = 4294967297`,
		`UPDATE deliveries SET lane = 9`,
		`UPDATE deliveries SET channel = 'pigeon'`,
		`UPDATE deliveries SET address = ''`,
		`UPDATE deliveries SET state = 'lost'`,
		`UPDATE deliveries SET attempts = -1`,
		`UPDATE deliveries SET since = 0`,
		`UPDATE deliveries SET since = event_number + 1`,
		`UPDATE deliveries SET told = event_number`,
		`UPDATE deliveries SET told = -1`,
		`UPDATE deliveries SET state = 'sending'`,
		`UPDATE deliveries SET state = 'sending', worker = 'w', lease_until = 0`,
		`UPDATE deliveries SET worker = 'w', lease_until = 5 WHERE state = 'pending'`,
		`UPDATE deliveries SET behind = 1 WHERE state = 'pending'`,
		`UPDATE deliveries SET sent_at = 0 WHERE state = 'sent'`,
		`UPDATE deliveries SET state = 'bounced', worker = '', lease_until = 0, sent_at = 0`,

		`UPDATE subscribers SET types = 1024 WHERE number = 5`,
		`UPDATE subscribers SET format = 'fax' WHERE number = 5`,
		`UPDATE subscribers SET format = 'slack' WHERE number = 1`,
		`UPDATE subscribers SET quiet = '22:00-07:00' WHERE number = 5`,
		`UPDATE subscribers SET shared = true, contact = '' WHERE number = 5`,
		`UPDATE subscribers SET contact = 'boss@example.org' WHERE number = 6`,
		`INSERT INTO endpoints (subscriber) VALUES (99)`,
		`UPDATE endpoints SET disabled_why = 'mood', disabled_at = 1`,
		`UPDATE endpoints SET disabled_why = 'gone'`,
		`UPDATE endpoints SET disabled_at = 1`,
		`UPDATE endpoints SET concurrency = 5`,
		`UPDATE endpoints SET rate = -1`,
		`UPDATE codes SET tries = -1`,
		`UPDATE segments SET spent = -1`,
		`UPDATE alerts SET state = 'mood'`,
		`UPDATE alerts SET severity = 4`,
		`UPDATE alerts SET incident_id = NULL WHERE state = 'firing'`,
		`UPDATE alerts SET incident_id = 'none'`,
		`UPDATE alerts SET source = '' WHERE fingerprint = 'never opened'`,
		`INSERT INTO alert_parts (source, fingerprint, part, starts_at, ends_at, seen_at) VALUES ('alertmanager', 'none', '', 1, 0, 1)`,
		`UPDATE alert_messages SET message = ''`,
		`INSERT INTO alert_messages SELECT * FROM alert_messages`,
		`UPDATE signups SET channel = 'pigeon'`,
		`UPDATE signups SET contact = 'boss@example.org'`,
		`UPDATE signups SET channel = 'webhook'`,

		`UPDATE events SET notice_id = '' WHERE number = 4`,
		`UPDATE events SET notice_id = 'not1' WHERE number = 1`,
		`UPDATE events SET notice_id = 'not1' WHERE number = 3`,
		`UPDATE notices SET id = ''`,
		`UPDATE notices SET title = ''`,
		`UPDATE notices SET state = 'lost'`,
		`UPDATE notices SET state = 'sending' WHERE id = 'not2'`,
		`UPDATE notices SET state = 'halted' WHERE id = 'not1'`,
		`UPDATE notices SET halted = 'why' WHERE id = 'not1'`,
		`UPDATE notices SET begun_at = 0 WHERE id = 'not1'`,
		`UPDATE notices SET incident_id = 'none'`,
		`UPDATE notices SET recipients = -1`,
		`DELETE FROM notices WHERE id = 'not1'`,
		`UPDATE audiences SET state = 'lost'`,
		`UPDATE audiences SET component_key = 'web'`,
		`UPDATE audiences SET notice_id = ''`,
		`UPDATE recipients SET address = ''`,
		`INSERT INTO recipients SELECT * FROM recipients`,
		`INSERT INTO recipient_rows SELECT * FROM recipient_rows`,
		`INSERT INTO rejects SELECT * FROM rejects`,
		`UPDATE audience_shares SET kind = 'mood'`,
		`INSERT INTO rows_aside SELECT * FROM rows_aside`,
		`UPDATE audience_whole SET name = ''`,
		`UPDATE held_updates SET moment = 'soon'`,
		`UPDATE held_updates SET notice_id = 'none'`,

		`INSERT INTO pauses (scope, key, "by", since) VALUES ('all', 'x', 'me', 1)`,
		`INSERT INTO pauses (scope, key, "by", since) VALUES ('lane', '', 'me', 1)`,
		`INSERT INTO pauses (scope, key, "by", since) VALUES ('mood', 'x', 'me', 1)`,
		`UPDATE tokens SET role = 'emperor'`,
		`UPDATE staff SET role = 'emperor' WHERE id = 'stf1'`,
		`UPDATE staff SET name = 'ann' WHERE id = 'stf2'`,
		`UPDATE staff SET password = '' WHERE id = 'stf1'`,
		`UPDATE staff SET secret = NULL WHERE id = 'stf1'`,
		`UPDATE staff SET ready_at = 1 WHERE id = 'stf2'`,
		`UPDATE staff SET link_until = 0 WHERE id = 'stf2'`,
		`UPDATE sessions SET staff = 'none'`,
		`UPDATE sign_ins SET scope = 'planet'`,
		`UPDATE tokens SET name = ''`,
		`UPDATE templates SET name = ''`,
		`UPDATE templates SET body = ''`,
		`UPDATE templates SET edited_at = 0`,
		`INSERT INTO templates SELECT * FROM templates`,
		`UPDATE alarms SET key = ''`,
		`UPDATE alarms SET about = ''`,
		`UPDATE alarms SET title = ''`,
		`UPDATE alarms SET since = 0`,
		`UPDATE alarms SET seen_at = since - 1`,
		`UPDATE alarms SET over = true WHERE once`,
		`INSERT INTO alarms SELECT * FROM alarms`,
		`INSERT INTO tokens (id, name, role, hash, created_at) SELECT 'tok2', 'other', role, hash, created_at FROM tokens`,
		`INSERT INTO tokens (id, name, role, hash, created_at) SELECT 'tok2', name, role, body_hash, 1 FROM tokens, answers`,
		`INSERT INTO answers SELECT * FROM answers`,
		`INSERT INTO counters (name, value) VALUES ('event', 1)`,
		`UPDATE counters SET value = NULL`,
	}
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn := storetest.DSN(t, dialect)
			storetest.At(t, dsn)()
			storetest.Exec(t, dsn, sample(t, dialect)...)
			db := storetest.SQL(t, dsn)
			for _, statement := range impossible {
				tx, err := db.Begin()
				if err != nil {
					t.Fatal(err)
				}
				done, err := tx.Exec(statement)
				if err == nil {
					n, _ := done.RowsAffected()
					t.Errorf("%s changed %d rows", statement, n)
				} else if text := strings.ToLower(err.Error()); !strings.Contains(text, "constraint") {
					t.Errorf("%s: %v", statement, err)
				}
				if err := tx.Rollback(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What one database has the other must have too, or the same program would
// behave in two ways.
func TestBothDatabasesHaveTheSameTablesColumnsAndIndexes(t *testing.T) {
	shape := func(dialect string, queries ...string) map[string]bool {
		db := storetest.SQL(t, func() string { dsn := storetest.DSN(t, dialect); storetest.At(t, dsn)(); return dsn }())
		out := map[string]bool{}
		for _, q := range queries {
			rows, err := db.Query(q)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var what string
				if err := rows.Scan(&what); err != nil {
					t.Fatal(err)
				}
				out[what] = true
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	lite := shape("sqlite",
		`SELECT 'column ' || m.name || '.' || c.name || ' ' || c."notnull" FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.pk = 0 AND m.name NOT IN ('goose_db_version', 'sqlite_sequence')`,
		`SELECT 'index ' || name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`)
	post := shape("postgres",
		`SELECT 'column ' || c.table_name || '.' || c.column_name || ' ' || CASE WHEN c.is_nullable = 'NO' THEN '1' ELSE '0' END FROM information_schema.columns c
			WHERE c.table_schema = 'public' AND c.table_name <> 'goose_db_version' AND NOT EXISTS (SELECT 1 FROM information_schema.key_column_usage k
				JOIN information_schema.table_constraints p ON p.constraint_name = k.constraint_name AND p.constraint_type = 'PRIMARY KEY'
				WHERE k.table_name = c.table_name AND k.column_name = c.column_name)`,
		`SELECT 'index ' || i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = 'public' AND c.relname <> 'goose_db_version' AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.oid)`)
	if len(lite) < 100 {
		t.Errorf("only %d things were found", len(lite))
	}
	for what := range lite {
		if !post[what] {
			t.Errorf("PostgreSQL lacks %s", what)
		}
	}
	for what := range post {
		if !lite[what] {
			t.Errorf("SQLite lacks %s", what)
		}
	}
}
