SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.answers (
    scope text NOT NULL,
    key_hash bytea NOT NULL,
    body_hash bytea NOT NULL,
    answer bytea NOT NULL,
    created_at bigint NOT NULL
);
CREATE TABLE public.audit (
    id text NOT NULL,
    at bigint NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail text DEFAULT ''::text NOT NULL
);
CREATE TABLE public.components (
    key text NOT NULL,
    name text NOT NULL,
    heading text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT components_key_check CHECK ((key <> ''::text)),
    CONSTRAINT components_state_check CHECK ((state = ANY (ARRAY['operational'::text, 'degraded'::text, 'partial_outage'::text, 'major_outage'::text, 'maintenance'::text])))
);
CREATE TABLE public.counters (
    name text NOT NULL,
    value bigint NOT NULL
);
CREATE TABLE public.deliveries (
    id bigint NOT NULL,
    event_number bigint NOT NULL,
    lane smallint NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    language text DEFAULT ''::text NOT NULL,
    timezone text DEFAULT ''::text NOT NULL,
    since bigint NOT NULL,
    told bigint DEFAULT 0 NOT NULL,
    state text NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    due_at bigint NOT NULL,
    behind bigint DEFAULT 0 NOT NULL,
    awaited boolean DEFAULT false NOT NULL,
    worker text DEFAULT ''::text NOT NULL,
    lease_until bigint DEFAULT 0 NOT NULL,
    tried_at bigint DEFAULT 0 NOT NULL,
    sent_at bigint DEFAULT 0 NOT NULL,
    relay text DEFAULT ''::text NOT NULL,
    reply text DEFAULT ''::text NOT NULL,
    remote text DEFAULT ''::text NOT NULL,
    CONSTRAINT deliveries_address_check CHECK ((address <> ''::text)),
    CONSTRAINT deliveries_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT deliveries_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'webhook'::text, 'sms'::text]))),
    CONSTRAINT deliveries_check CHECK (((id > 0) AND (event_number = (id >> 32)))),
    CONSTRAINT deliveries_check1 CHECK (((since > 0) AND (since <= event_number) AND (told >= 0) AND (told < event_number))),
    CONSTRAINT deliveries_check2 CHECK (
CASE state
    WHEN 'pending'::text THEN ((worker = ''::text) AND (lease_until = 0) AND (behind = 0) AND (NOT awaited))
    WHEN 'sending'::text THEN ((worker <> ''::text) AND (lease_until > 0) AND (behind = 0))
    WHEN 'sent'::text THEN ((worker = ''::text) AND (lease_until = 0) AND (behind = 0) AND (NOT awaited) AND (sent_at > 0))
    WHEN 'held'::text THEN ((worker = ''::text) AND (lease_until = 0) AND (NOT awaited))
    WHEN 'bounced'::text THEN ((worker = ''::text) AND (lease_until = 0) AND (behind = 0) AND (NOT awaited) AND (sent_at > 0))
    ELSE ((state = ANY (ARRAY['failed'::text, 'superseded'::text, 'suppressed'::text, 'cancelled'::text, 'expired'::text])) AND (worker = ''::text) AND (lease_until = 0) AND (behind = 0) AND (NOT awaited))
END),
    CONSTRAINT deliveries_lane_check CHECK (((lane >= 1) AND (lane <= 5)))
);
CREATE TABLE public.event_counts (
    event_number bigint NOT NULL,
    channel text NOT NULL,
    total bigint DEFAULT 0 NOT NULL,
    unsettled bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    tried bigint DEFAULT 0 NOT NULL,
    sent bigint DEFAULT 0 NOT NULL,
    bounced bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    superseded bigint DEFAULT 0 NOT NULL,
    suppressed bigint DEFAULT 0 NOT NULL,
    cancelled bigint DEFAULT 0 NOT NULL,
    expired bigint DEFAULT 0 NOT NULL,
    first_sent_at bigint DEFAULT 0 NOT NULL,
    last_sent_at bigint DEFAULT 0 NOT NULL,
    CONSTRAINT event_counts_check CHECK ((total = (((((((unsettled + sent) + bounced) + failed) + superseded) + suppressed) + cancelled) + expired))),
    CONSTRAINT event_counts_check1 CHECK (((unsettled >= held) AND (held >= 0) AND (sent >= 0) AND (bounced >= 0) AND (failed >= 0) AND (superseded >= 0) AND (suppressed >= 0) AND (cancelled >= 0) AND (expired >= 0) AND ((tried >= 0) AND (tried <= total))))
);
CREATE TABLE public.event_latency (
    event_number bigint NOT NULL,
    step integer NOT NULL,
    messages bigint NOT NULL,
    CONSTRAINT event_latency_messages_check CHECK ((messages >= 0))
);
CREATE TABLE public.events (
    number bigint NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    lane smallint NOT NULL,
    kind text NOT NULL,
    severity smallint NOT NULL,
    components text DEFAULT '[]'::text NOT NULL,
    incident_id text,
    update_id text DEFAULT ''::text NOT NULL,
    reader bigint DEFAULT 0 NOT NULL,
    accepted_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    expanded_at bigint DEFAULT 0 NOT NULL,
    progress bigint DEFAULT 0 NOT NULL,
    withdrawn boolean DEFAULT false NOT NULL,
    pruned_at bigint DEFAULT 0 NOT NULL,
    CONSTRAINT events_check CHECK ((expires_at > accepted_at)),
    CONSTRAINT events_check1 CHECK (((incident_id IS NULL) = (reader > 0))),
    CONSTRAINT events_id_check CHECK ((id <> ''::text)),
    CONSTRAINT events_kind_check CHECK ((kind = ANY (ARRAY['incident'::text, 'maintenance'::text, 'post'::text]))),
    CONSTRAINT events_lane_check CHECK (((lane >= 1) AND (lane <= 5))),
    CONSTRAINT events_number_check CHECK (((number > 0) AND (number < '2147483648'::bigint))),
    CONSTRAINT events_severity_check CHECK (((severity >= 0) AND (severity <= 3)))
);
CREATE TABLE public.goose_db_version (
    id integer NOT NULL,
    version_id bigint NOT NULL,
    is_applied boolean NOT NULL,
    tstamp timestamp without time zone DEFAULT now() NOT NULL
);
ALTER TABLE public.goose_db_version ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.goose_db_version_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.incident_components (
    incident_id text NOT NULL,
    component_key text NOT NULL,
    place smallint NOT NULL
);
CREATE TABLE public.incidents (
    id text NOT NULL,
    title text NOT NULL,
    kind text NOT NULL,
    severity smallint NOT NULL,
    status text NOT NULL,
    state text NOT NULL,
    impact text DEFAULT '{}'::text NOT NULL,
    starts_at bigint DEFAULT 0 NOT NULL,
    ends_at bigint DEFAULT 0 NOT NULL,
    opened_at bigint NOT NULL,
    resolved_at bigint DEFAULT 0 NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    CONSTRAINT incidents_check CHECK ((((kind = 'incident'::text) AND (status = ANY (ARRAY['investigating'::text, 'identified'::text, 'monitoring'::text, 'resolved'::text]))) OR ((kind = 'maintenance'::text) AND (status = ANY (ARRAY['scheduled'::text, 'in_progress'::text, 'extended'::text, 'completed'::text])) AND (starts_at > 0)) OR ((kind = 'post'::text) AND (status = ''::text)))),
    CONSTRAINT incidents_check1 CHECK (((resolved_at > 0) = (status = ANY (ARRAY['resolved'::text, 'completed'::text])))),
    CONSTRAINT incidents_check2 CHECK (((ends_at = 0) OR (ends_at > starts_at))),
    CONSTRAINT incidents_id_check CHECK ((id <> ''::text)),
    CONSTRAINT incidents_kind_check CHECK ((kind = ANY (ARRAY['incident'::text, 'maintenance'::text, 'post'::text]))),
    CONSTRAINT incidents_severity_check CHECK (((severity >= 0) AND (severity <= 3))),
    CONSTRAINT incidents_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'published'::text, 'retracted'::text]))),
    CONSTRAINT incidents_title_check CHECK ((title <> ''::text))
);
CREATE TABLE public.pauses (
    scope text NOT NULL,
    key text DEFAULT ''::text NOT NULL,
    by text NOT NULL,
    since bigint NOT NULL,
    CONSTRAINT pauses_check CHECK (((scope = 'all'::text) = (key = ''::text))),
    CONSTRAINT pauses_scope_check CHECK ((scope = ANY (ARRAY['all'::text, 'channel'::text, 'lane'::text, 'relay'::text, 'domain'::text, 'resumed'::text])))
);
CREATE TABLE public.subscriber_components (
    subscriber bigint NOT NULL,
    component_key text NOT NULL
);
CREATE TABLE public.subscribers (
    number bigint NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    state text NOT NULL,
    severity smallint DEFAULT 0 NOT NULL,
    kinds smallint DEFAULT 0 NOT NULL,
    chooses boolean DEFAULT false NOT NULL,
    cadence text NOT NULL,
    timezone text DEFAULT ''::text NOT NULL,
    language text DEFAULT ''::text NOT NULL,
    created_at bigint NOT NULL,
    confirmed_at bigint DEFAULT 0 NOT NULL,
    unsubscribed_at bigint DEFAULT 0 NOT NULL,
    CONSTRAINT subscribers_address_check CHECK ((address <> ''::text)),
    CONSTRAINT subscribers_cadence_check CHECK ((cadence = ANY (ARRAY['instant'::text, 'milestones'::text, 'daily'::text, 'weekly'::text, 'monthly'::text]))),
    CONSTRAINT subscribers_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'webhook'::text, 'sms'::text]))),
    CONSTRAINT subscribers_check CHECK (((state <> 'unsubscribed'::text) OR (unsubscribed_at > 0))),
    CONSTRAINT subscribers_kinds_check CHECK (((kinds >= 0) AND (kinds <= 7))),
    CONSTRAINT subscribers_number_check CHECK (((number > 0) AND (number < '4294967296'::bigint))),
    CONSTRAINT subscribers_severity_check CHECK (((severity >= 0) AND (severity <= 3))),
    CONSTRAINT subscribers_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'active'::text, 'paused'::text, 'quarantined'::text, 'unsubscribed'::text])))
);
CREATE TABLE public.suppressions (
    channel text NOT NULL,
    address text NOT NULL,
    reason text NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT suppressions_address_check CHECK ((address <> ''::text)),
    CONSTRAINT suppressions_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'webhook'::text, 'sms'::text]))),
    CONSTRAINT suppressions_reason_check CHECK ((reason = ANY (ARRAY['manual'::text, 'bounce'::text, 'complaint'::text, 'erased'::text])))
);
CREATE TABLE public.tokens (
    id text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    hash bytea NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint DEFAULT 0 NOT NULL,
    CONSTRAINT tokens_name_check CHECK ((name <> ''::text)),
    CONSTRAINT tokens_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'poster'::text, 'sender'::text, 'approver'::text, 'admin'::text])))
);
CREATE TABLE public.updates (
    id text NOT NULL,
    incident_id text NOT NULL,
    place integer NOT NULL,
    status text NOT NULL,
    body text NOT NULL,
    severity smallint NOT NULL,
    impact text DEFAULT '{}'::text NOT NULL,
    starts_at bigint DEFAULT 0 NOT NULL,
    ends_at bigint DEFAULT 0 NOT NULL,
    at bigint NOT NULL,
    created_at bigint NOT NULL,
    event_number bigint DEFAULT 0 NOT NULL,
    CONSTRAINT updates_id_check CHECK ((id <> ''::text)),
    CONSTRAINT updates_severity_check CHECK (((severity >= 0) AND (severity <= 3)))
);
INSERT INTO public.answers VALUES ('tok1 /api/v1/incidents', '\x31', '\x32', '\x33', 1795447200000000);
INSERT INTO public.audit VALUES ('000660f4b4f3f001aaaa', 1795447200000001, 'local:ann', 'component.add', 'web', '');
INSERT INTO public.components VALUES ('web', 'The web', 'front', 'degraded', 1795447200000001);
INSERT INTO public.components VALUES ('imap7', 'imap7', '', 'operational', 1795447200000002);
INSERT INTO public.counters VALUES ('event', 3);
INSERT INTO public.counters VALUES ('subscriber', 4);
INSERT INTO public.counters VALUES ('work', 7);
INSERT INTO public.counters VALUES ('halts', 7);
INSERT INTO public.counters VALUES ('identity', 4711);
INSERT INTO public.deliveries VALUES (4294967297, 1, 2, 'email', 'a@example.org', 'no', 'Europe/Oslo', 1, 0, 'sent', 0, 1795447200100000, 0, false, '', 0, 1795447201000000, 1795447201000000, 'relay', '250 2.0.0 Ok: queued as 4', '4');
INSERT INTO public.deliveries VALUES (4294967298, 1, 2, 'email', 'b@example.org', '', '', 1, 0, 'superseded', 1, 1795447200100000, 0, false, '', 0, 1795447201000000, 0, 'relay', '450 4.2.1', '');
INSERT INTO public.deliveries VALUES (8589934593, 2, 2, 'email', 'a@example.org', 'no', 'Europe/Oslo', 2, 1, 'sending', 0, 1795447260100000, 0, false, 'w1', 1795447320000000, 0, 0, '', '', '');
INSERT INTO public.deliveries VALUES (8589934594, 2, 2, 'email', 'b@example.org', '', '', 1, 0, 'pending', 0, 1795447260100000, 0, false, '', 0, 0, 0, '', '', '');
INSERT INTO public.event_counts VALUES (1, 'email', 2, 0, 0, 2, 1, 0, 0, 1, 0, 0, 0, 1795447201000000, 1795447201000000);
INSERT INTO public.event_counts VALUES (2, 'email', 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO public.event_latency VALUES (1, 349, 1);
INSERT INTO public.events VALUES (1, 'evt1', 'incident.created', 2, 'incident', 2, '["web","imap7"]', 'inc1', 'upd1', 0, 1795447200000003, 1795792800000003, 1795447200100000, 4294967295, false, 0);
INSERT INTO public.events VALUES (2, 'evt2', 'incident.updated', 2, 'incident', 2, '["web","imap7"]', 'inc1', 'upd2', 0, 1795447260000000, 1795792860000000, 1795447260100000, 4294967295, false, 0);
INSERT INTO public.events VALUES (3, 'evt3', 'subscriber.confirm', 1, 'post', 0, '[]', NULL, '', 3, 1795447260000000, 1796052060000000, 0, 0, false, 0);
INSERT INTO public.goose_db_version VALUES (1, 0, true, '2026-11-25 20:35:00.024866');
INSERT INTO public.goose_db_version VALUES (2, 1, true, '2026-11-25 20:35:00.04027');
INSERT INTO public.incident_components VALUES ('inc1', 'web', 0);
INSERT INTO public.incident_components VALUES ('inc1', 'imap7', 1);
INSERT INTO public.incidents VALUES ('inc1', 'Mail is slow, “very”', 'incident', 2, 'identified', 'published', '{"delay_min_minutes":5,"delay_max_minutes":10}', 0, 0, 1795447200000000, 0, 1795447200000003, 1795447260000000);
INSERT INTO public.incidents VALUES ('inc2', 'New disks', 'maintenance', 0, 'completed', 'published', '{}', 1795447200000000, 1795450800000000, 1795447200000000, 1795450800000000, 1795447200000004, 1795450800000000);
INSERT INTO public.incidents VALUES ('inc3', 'We moved', 'post', 0, '', 'draft', '{}', 0, 0, 1795447200000000, 0, 1795447200000005, 1795447200000005);
INSERT INTO public.pauses VALUES ('domain', 'example.net', 'local:ann', 1795447200000000);
INSERT INTO public.subscriber_components VALUES (1, 'web');
INSERT INTO public.subscribers VALUES (1, 'email', 'a@example.org', 'active', 1, 1, true, 'instant', 'Europe/Oslo', 'no', 1795447100000000, 1795447150000000, 0);
INSERT INTO public.subscribers VALUES (2, 'email', 'b@example.org', 'active', 0, 0, false, 'milestones', '', '', 1795447100000001, 0, 0);
INSERT INTO public.subscribers VALUES (3, 'email', 'c@example.org', 'pending', 0, 5, false, 'instant', '', '', 1795447100000002, 0, 0);
INSERT INTO public.subscribers VALUES (4, 'email', 'd@example.org', 'unsubscribed', 0, 0, false, 'instant', '', '', 1795447100000003, 0, 1795447180000000);
INSERT INTO public.suppressions VALUES ('email', 'x@example.org', 'bounce', '550 5.1.1', 1795447100000000);
INSERT INTO public.tokens VALUES ('tok1', 'monitor', 'poster', '\x3132333435363738393031323334353637383930313233343536373839303132', 1795447000000000, 0);
INSERT INTO public.updates VALUES ('upd1', 'inc1', 1, 'investigating', 'It began {{at "2026-11-23T15:00:00Z"}}.', 2, '{"delay_max_minutes":10}', 0, 0, 1795447200000000, 1795447200000003, 1);
INSERT INTO public.updates VALUES ('upd2', 'inc1', 2, 'identified', 'Zażółć gęślą jaźń', 2, '{}', 0, 0, 1795447260000000, 1795447260000000, 2);
SELECT pg_catalog.setval('public.goose_db_version_id_seq', 2, true);
ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (scope, key_hash);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.counters
    ADD CONSTRAINT counters_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.deliveries
    ADD CONSTRAINT deliveries_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.event_counts
    ADD CONSTRAINT event_counts_pkey PRIMARY KEY (event_number, channel);
ALTER TABLE ONLY public.event_latency
    ADD CONSTRAINT event_latency_pkey PRIMARY KEY (event_number, step);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_id_key UNIQUE (id);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.goose_db_version
    ADD CONSTRAINT goose_db_version_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.incident_components
    ADD CONSTRAINT incident_components_pkey PRIMARY KEY (incident_id, component_key);
ALTER TABLE ONLY public.incidents
    ADD CONSTRAINT incidents_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.pauses
    ADD CONSTRAINT pauses_pkey PRIMARY KEY (scope, key);
ALTER TABLE ONLY public.subscriber_components
    ADD CONSTRAINT subscriber_components_pkey PRIMARY KEY (subscriber, component_key);
ALTER TABLE ONLY public.subscribers
    ADD CONSTRAINT subscribers_channel_address_key UNIQUE (channel, address);
ALTER TABLE ONLY public.subscribers
    ADD CONSTRAINT subscribers_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT suppressions_pkey PRIMARY KEY (channel, address);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_name_key UNIQUE (name);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.updates
    ADD CONSTRAINT updates_incident_id_place_key UNIQUE (incident_id, place);
ALTER TABLE ONLY public.updates
    ADD CONSTRAINT updates_pkey PRIMARY KEY (id);
CREATE INDEX answers_age ON public.answers USING btree (created_at);
CREATE INDEX deliveries_behind ON public.deliveries USING btree (behind) WHERE (behind > 0);
CREATE INDEX deliveries_due ON public.deliveries USING btree (channel, lane, due_at, id) WHERE (state = ANY (ARRAY['pending'::text, 'held'::text]));
CREATE INDEX deliveries_leased ON public.deliveries USING btree (lease_until, event_number) WHERE (state = 'sending'::text);
CREATE INDEX event_counts_unsettled ON public.event_counts USING btree (event_number) WHERE (unsettled > 0);
CREATE INDEX events_kept ON public.events USING btree (accepted_at, number) WHERE (pruned_at = 0);
CREATE INDEX events_of_incident ON public.events USING btree (incident_id, number);
CREATE INDEX events_to_expand ON public.events USING btree (lane, number) WHERE (expanded_at = 0);
CREATE INDEX events_withdrawn ON public.events USING btree (number) WHERE withdrawn;
CREATE INDEX incident_components_key ON public.incident_components USING btree (component_key);
CREATE INDEX incidents_newest ON public.incidents USING btree (created_at, id);
CREATE INDEX subscriber_components_key ON public.subscriber_components USING btree (component_key);
CREATE INDEX subscribers_active ON public.subscribers USING btree (number) WHERE (state = 'active'::text);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id);
ALTER TABLE ONLY public.incident_components
    ADD CONSTRAINT incident_components_component_key_fkey FOREIGN KEY (component_key) REFERENCES public.components(key);
ALTER TABLE ONLY public.incident_components
    ADD CONSTRAINT incident_components_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.subscriber_components
    ADD CONSTRAINT subscriber_components_component_key_fkey FOREIGN KEY (component_key) REFERENCES public.components(key);
ALTER TABLE ONLY public.subscriber_components
    ADD CONSTRAINT subscriber_components_subscriber_fkey FOREIGN KEY (subscriber) REFERENCES public.subscribers(number) ON DELETE CASCADE;
ALTER TABLE ONLY public.updates
    ADD CONSTRAINT updates_incident_id_fkey FOREIGN KEY (incident_id) REFERENCES public.incidents(id) ON DELETE CASCADE;
