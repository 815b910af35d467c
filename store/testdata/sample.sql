INSERT INTO components (key, name, heading, state, created_at) VALUES ('web', 'The web', 'front', 'degraded', 1795447200000001), ('imap7', 'imap7', '', 'operational', 1795447200000002);
INSERT INTO incidents (id, title, kind, severity, status, state, impact, starts_at, ends_at, opened_at, resolved_at, created_at, updated_at) VALUES
    ('inc1', 'Mail is slow, “very”', 'incident', 2, 'identified', 'published', '{"delay_min_minutes":5,"delay_max_minutes":10}', 0, 0, 1795447200000000, 0, 1795447200000003, 1795447260000000),
    ('inc2', 'New disks', 'maintenance', 0, 'completed', 'published', '{}', 1795447200000000, 1795450800000000, 1795447200000000, 1795450800000000, 1795447200000004, 1795450800000000),
    ('inc3', 'We moved', 'post', 0, '', 'draft', '{}', 0, 0, 1795447200000000, 0, 1795447200000005, 1795447200000005);
INSERT INTO incident_components (incident_id, component_key, place) VALUES ('inc1', 'web', 0), ('inc1', 'imap7', 1);
INSERT INTO updates (id, incident_id, place, status, body, severity, impact, starts_at, ends_at, at, created_at, event_number) VALUES
    ('upd1', 'inc1', 1, 'investigating', 'It began {{at "2026-11-23T15:00:00Z"}}.', 2, '{"delay_max_minutes":10}', 0, 0, 1795447200000000, 1795447200000003, 1),
    ('upd2', 'inc1', 2, 'identified', 'Zażółć gęślą jaźń', 2, '{}', 0, 0, 1795447260000000, 1795447260000000, 2);
INSERT INTO events (number, id, type, lane, kind, severity, components, incident_id, update_id, reader, accepted_at, expires_at, expanded_at, progress) VALUES
    (1, 'evt1', 'incident.created', 2, 'incident', 2, '["web","imap7"]', 'inc1', 'upd1', 0, 1795447200000003, 1795792800000003, 1795447200100000, 4294967295),
    (2, 'evt2', 'incident.updated', 2, 'incident', 2, '["web","imap7"]', 'inc1', 'upd2', 0, 1795447260000000, 1795792860000000, 1795447260100000, 4294967295),
    (3, 'evt3', 'subscriber.confirm', 1, 'post', 0, '[]', NULL, '', 3, 1795447260000000, 1796052060000000, 0, 0);
INSERT INTO subscribers (number, channel, address, state, severity, kinds, chooses, cadence, timezone, language, created_at, confirmed_at, unsubscribed_at) VALUES
    (1, 'email', 'a@example.org', 'active', 1, 1, true, 'instant', 'Europe/Oslo', 'no', 1795447100000000, 1795447150000000, 0),
    (2, 'email', 'b@example.org', 'active', 0, 0, false, 'milestones', '', '', 1795447100000001, 0, 0),
    (3, 'email', 'c@example.org', 'pending', 0, 5, false, 'instant', '', '', 1795447100000002, 0, 0),
    (4, 'email', 'd@example.org', 'unsubscribed', 0, 0, false, 'instant', '', '', 1795447100000003, 0, 1795447180000000);
INSERT INTO subscriber_components (subscriber, component_key) VALUES (1, 'web');
INSERT INTO suppressions (channel, address, reason, note, created_at) VALUES ('email', 'x@example.org', 'bounce', '550 5.1.1', 1795447100000000);
INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, told, state, attempts, due_at, behind, awaited, worker, lease_until, tried_at, sent_at, relay, reply, remote) VALUES
    (4294967297, 1, 2, 'email', 'a@example.org', 'no', 'Europe/Oslo', 1, 0, 'sent', 0, 1795447200100000, 0, false, '', 0, 1795447201000000, 1795447201000000, 'relay', '250 2.0.0 Ok: queued as 4', '4'),
    (4294967298, 1, 2, 'email', 'b@example.org', '', '', 1, 0, 'superseded', 1, 1795447200100000, 0, false, '', 0, 1795447201000000, 0, 'relay', '450 4.2.1', ''),
    (8589934593, 2, 2, 'email', 'a@example.org', 'no', 'Europe/Oslo', 2, 1, 'sending', 0, 1795447260100000, 0, false, 'w1', 1795447320000000, 0, 0, '', '', ''),
    (8589934594, 2, 2, 'email', 'b@example.org', '', '', 1, 0, 'pending', 0, 1795447260100000, 0, false, '', 0, 0, 0, '', '', '');
INSERT INTO event_counts (event_number, channel, total, unsettled, held, tried, sent, bounced, failed, superseded, suppressed, cancelled, expired, first_sent_at, last_sent_at) VALUES
    (1, 'email', 2, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 1795447201000000, 1795447201000000),
    (2, 'email', 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO event_latency (event_number, step, messages) VALUES (1, 349, 1);
INSERT INTO pauses (scope, key, "by", since) VALUES ('domain', 'example.net', 'local:ann', 1795447200000000);
INSERT INTO tokens (id, name, role, hash, created_at, revoked_at) VALUES ('tok1', 'monitor', 'poster', '12345678901234567890123456789012', 1795447000000000, 0);
INSERT INTO answers (scope, key_hash, body_hash, answer, created_at) VALUES ('tok1 /api/v1/incidents', '1', '2', '3', 1795447200000000);
INSERT INTO audit (id, at, actor, action, subject, detail) VALUES ('000660f4b4f3f001aaaa', 1795447200000001, 'local:ann', 'component.add', 'web', '');
INSERT INTO signups (id, solved, address, choices, network, consent, asked_at, due_at) VALUES
    ('sig1', false, 'n@example.org', '{"cadence":"instant"}', '192.0.2.0/24', 'Yes, “please”.', 1795447260000000, 1795447260000000);
INSERT INTO budgets (scope, key, whole_at) VALUES ('network', '192.0.2.0/24', 1795447620000000), ('all', '', 1795447266000000);
INSERT INTO consent_texts (version, words) VALUES ('en-0011223344556677', 'Yes, “please”.');
INSERT INTO consents (subscriber, at, step, version, network) VALUES
    (1, 1795447100000000, 'asked', 'en-0011223344556677', '192.0.2.0/24'),
    (1, 1795447150000000, 'confirmed', 'en-0011223344556677', '2001:db8::/64');
INSERT INTO subscribers (number, channel, address, state, cadence, created_at, types, format, contact, quiet) VALUES
    (5, 'webhook', 'https://hooks.example.org/1', 'active', 'instant', 1795447100000004, 3, 'slack', 'a@example.org', ''),
    (6, 'sms', '+4740612345', 'active', 'instant', 1795447100000005, 0, '', '', '22:00-07:00');
INSERT INTO endpoints (subscriber, secret, old_secret, old_until, shown_at, contact_at, proven_at, failing_since, disabled_at, disabled_why, rate, concurrency, token_hash) VALUES
    (5, '1', '2', 1795447200000000, 1795447100000006, 1795447100000005, 1795447100000006, 1795447150000000, 0, '', 2.5, 4, '3');
INSERT INTO attempts (reader, at, delivery, status, took, answer, trouble, state) VALUES (5, 1795447100000006, 0, 204, 12000, '', '', '');
INSERT INTO replays (delivery, until) VALUES (4294967301, 1795447200000000);
INSERT INTO codes (key, asked_at, tries) VALUES ('hashed', 1795447200000000, 2);
INSERT INTO alerts (source, fingerprint, state, severity, incident_id, seen_at) VALUES
    ('alertmanager', '{}:{alertname="Slow"}', 'firing', 2, 'inc1', 1795447200000000), ('alertmanager', 'never opened', 'resolved', 0, NULL, 1795447200000000);
INSERT INTO alert_parts (source, fingerprint, part, starts_at, ends_at, seen_at) VALUES ('alertmanager', '{}:{alertname="Slow"}', 'a1b2', 1795447100000000, 0, 1795447200000000);
INSERT INTO alert_messages (source, fingerprint, message, seen_at) VALUES ('alertmanager', 'never opened', 'm1', 1795447200000000);
INSERT INTO segments (day, spent) VALUES ('2026-11-23', 3);
INSERT INTO notices (id, title, template, incident_id, state, approved, recipients, lines, rejected, case_twins, wish, event_number, event_id, canary, created_at, created_by, changed_by, ordered_at, ordered_by, begun_at) VALUES
    ('not1', 'Your mail was restored', 'restore-completed', 'inc1', 'sending', '[]', 1, 2, 1, 0, '{"Expect":1}', 4, 'evt4', 0, 1795447200000000, 'staff:ann', '[]', 1795447210000000, 'staff:ann', 1795447210000000),
    ('not2', 'A draft', 'blank', NULL, 'draft', '[]', 0, 0, 0, 0, '{}', 0, '', 0, 1795447200000001, 'staff:ann', '[]', 0, '', 0);
INSERT INTO events (number, id, type, lane, kind, severity, components, notice_id, released, accepted_at, expires_at, expanded_at, progress) VALUES
    (4, 'evt4', 'notice.sent', 5, 'post', 0, '[]', 'not1', 2147483648, 1795447210000000, 1795792810000000, 1795447211000000, 4294967295);
INSERT INTO audiences (number, notice_id, state, replaces, recipients, lines, rejected, sum, touched_at) VALUES (1, 'not1', 'current', true, 1, 2, 1, 'ab', 1795447205000000);
INSERT INTO recipients (audience, place, channel, address, account, lines) VALUES (1, 1, 'email', 'r@example.org', 'u1', 2);
INSERT INTO recipient_rows (audience, place, line, fields) VALUES (1, 1, 1, '[{"name":"subject","text":"Zażółć"}]'), (1, 1, 2, '[]');
INSERT INTO rejects (audience, place, line, reason, text) VALUES (1, 1, 3, 'no address', ',,');
INSERT INTO audience_shares (audience, kind, name, place, count) VALUES (1, 'column', 'subject', 1, 1);
INSERT INTO audience_whole (audience, name, count) VALUES (1, 'subject', 0);
INSERT INTO rows_aside (audience, place, text) VALUES (1, 1, 'email r@example.org');
INSERT INTO held_updates (id, incident_id, notice_id, moment, saying, created_at, created_by) VALUES ('upd3', 'inc1', 'not1', 'tried', '{}', 1795447210000001, 'staff:ann');
INSERT INTO staff (id, name, role, password, secret, step, link_hash, link_until, created_at, ready_at, signed_in_at) VALUES
    ('stf1', 'ann', 'admin', '$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$aGFzaA', '1', 59848240, NULL, 0, 1795447000000000, 1795447100000000, 1795447200000000),
    ('stf2', 'kari', 'viewer', '', NULL, 0, '2', 1795533600000000, 1795447200000000, 0, 0);
INSERT INTO staff_codes (staff, hash) VALUES ('stf1', '3');
INSERT INTO sessions (id, hash, staff, created_at, seen_at, network, agent) VALUES ('ses1', '4', 'stf1', 1795447200000000, 1795447260000000, '192.0.2.0/24', 'Mozilla/5.0');
INSERT INTO sign_ins (scope, key, whole_at) VALUES ('network', '192.0.2.0/24', 1795447260000000);
UPDATE counters SET value = 1 WHERE name = 'audience';
INSERT INTO subscribers (number, channel, address, state, cadence, timezone, created_at, hour, weekday, critical) VALUES
    (7, 'email', 'weekly@example.org', 'active', 'weekly', 'Asia/Kathmandu', 1795447100000006, 0, 7, true);
INSERT INTO events (number, id, type, lane, kind, severity, accepted_at, expires_at, expanded_at, progress) VALUES
    (5, 'evt5', 'digest', 4, 'post', 0, 1795447260000000, 1795533660000000, 1795447260000000, 4294967295);
INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at, next_at, planned, up_to, day, missed, event_number, progress) VALUES
    ('weekly', 0, 7, 'Asia/Kathmandu', 1795447100000006, 1795447260000000, '9 UTC', 2, '2026-11-29', 1, 5, 7),
    ('daily', -1, 0, '', 1795447100000006, 0, '', 0, '', 0, 0, 0);
INSERT INTO digest_setting (one, setting, set_at) VALUES (1, '9 UTC', 1795447260000000);
INSERT INTO digest_cursors (subscriber, cursor, turned, day, last_up_to) VALUES (7, 2, 1, '2026-11-29', 0), (1, 1, 2, '', 2);
INSERT INTO digests (event_number, cadence, hour, weekday, timezone, day, missed) VALUES (5, 'weekly', 0, 7, 'Asia/Kathmandu', '2026-11-29', 1);
INSERT INTO digest_contents (event_number, place, hash, items) VALUES (5, 1, 'c0ffee', '1,2');
INSERT INTO digest_readers (reader, event_number, place) VALUES (7, 5, 1);
INSERT INTO alarms (key, about, title, text, ended, url, once, since, seen_at, told_at, over, busy_until) VALUES
    ('relay:mail.example.com:587', 'relay:mail.example.com:587', 'Relay mail.example.com:587 is down', 'Look at it.', 'Relay mail.example.com:587 works again', '', false, 1795447100000000, 1795447160000000, 1795447110000000, false, 0),
    ('incident:inc1:upd1:3h', 'incident:inc1', 'No word for 3 hours', '', '', 'https://status.example.com/incidents/inc1', true, 1795447100000000, 1795447160000000, 0, false, 1795447170000000);
INSERT INTO own_domains (domain, component) VALUES ('example.org', 'web');
INSERT INTO doors (channel, open) VALUES ('sms', true);
INSERT INTO outages (number, domain, component, down_at, from_event, back_at, until_event, event_number, progress, told_at) VALUES
    (1, 'example.org', 'web', 1795447100000000, 1, 1795447160000000, 2, 5, 7, 1795447170000000),
    (2, 'example.org', 'web', 1795447200000000, 6, 0, 0, 0, 0, 0);
INSERT INTO subscribers (number, channel, address, state, cadence, created_at, second_of) VALUES (8, 'email', 'a@elsewhere.example', 'active', 'instant', 1795447100000007, 1);
INSERT INTO seconds (first, channel, address, asked_at) VALUES (1, 'email', 'a@elsewhere.example', 1795447100000007);
INSERT INTO templates (name, body, edited_at, edited_by) VALUES ('mail/post.html', '<p>{{.Title}}</p>', 1795447260000000, 'ann');
UPDATE counters SET value = 5 WHERE name = 'event';
UPDATE counters SET value = 8 WHERE name = 'subscriber';
UPDATE counters SET value = 7 WHERE name IN ('work', 'halts');
UPDATE counters SET value = 4711 WHERE name = 'identity';
INSERT INTO reminder_plans (incident_id, starts_at, planned_at, reminded_at) VALUES ('inc2', 1795447200000000, 1795440000000000, 1795443600000000);
