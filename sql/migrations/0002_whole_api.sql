-- The whole of the v2 API: L7 policies and rules, flavors and zones, quotas, events; and indexes for lists.

-- What a flavor or an availability zone means to a provider's driver: JSON that the driver itself has checked.
CREATE TABLE flavor_profile (
    id            uuid PRIMARY KEY,
    name          text NOT NULL,
    provider_name text NOT NULL,
    flavor_data   text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz,
    CONSTRAINT flavor_profile_name UNIQUE (name)
);

CREATE TABLE flavor (
    id                uuid PRIMARY KEY,
    name              text NOT NULL,
    description       text NOT NULL DEFAULT '',
    enabled           boolean NOT NULL DEFAULT true,
    flavor_profile_id uuid NOT NULL CONSTRAINT flavor_has_profile REFERENCES flavor_profile,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz,
    CONSTRAINT flavor_name UNIQUE (name)
);
CREATE INDEX flavor_by_profile ON flavor (flavor_profile_id);

CREATE TABLE availability_zone_profile (
    id                     uuid PRIMARY KEY,
    name                   text NOT NULL,
    provider_name          text NOT NULL,
    availability_zone_data text NOT NULL,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz,
    CONSTRAINT availability_zone_profile_name UNIQUE (name)
);

-- Tenants know a zone by its name alone; the id orders lists.
CREATE TABLE availability_zone (
    id                           uuid PRIMARY KEY,
    name                         text NOT NULL,
    description                  text NOT NULL DEFAULT '',
    enabled                      boolean NOT NULL DEFAULT true,
    availability_zone_profile_id uuid NOT NULL CONSTRAINT availability_zone_has_profile
                                 REFERENCES availability_zone_profile,
    created_at                   timestamptz NOT NULL DEFAULT now(),
    updated_at                   timestamptz,
    CONSTRAINT availability_zone_name UNIQUE (name)
);
CREATE INDEX availability_zone_by_profile ON availability_zone (availability_zone_profile_id);

-- A project's limits, where they aren't the configured ones: NULL there, -1 for no limit.
CREATE TABLE quota (
    project_id     text PRIMARY KEY,
    load_balancer  integer,
    listener       integer,
    pool           integer,
    member         integer,
    health_monitor integer,
    l7policy       integer,
    l7rule         integer,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz
);

ALTER TABLE load_balancer ADD COLUMN incomplete text;
ALTER TABLE listener ADD COLUMN incomplete text;
ALTER TABLE pool ADD COLUMN incomplete text;
ALTER TABLE member ADD COLUMN incomplete text;
ALTER TABLE health_monitor ADD COLUMN incomplete text;
ALTER TABLE convergence ADD COLUMN last_error_at timestamptz;

-- Flavors and zones were refused until now, so no row can name one.
ALTER TABLE load_balancer ADD CONSTRAINT load_balancer_has_flavor FOREIGN KEY (flavor_id) REFERENCES flavor;
ALTER TABLE load_balancer ADD CONSTRAINT load_balancer_has_zone
    FOREIGN KEY (availability_zone) REFERENCES availability_zone (name);

DROP INDEX listener_of, pool_of, member_of_load_balancer, health_monitor_of_load_balancer;
CREATE INDEX load_balancer_by_flavor ON load_balancer (flavor_id) WHERE flavor_id IS NOT NULL;
CREATE INDEX load_balancer_by_zone ON load_balancer (availability_zone) WHERE availability_zone IS NOT NULL;
CREATE INDEX load_balancer_by_name ON load_balancer (name);
CREATE INDEX load_balancer_by_tags ON load_balancer USING gin (tags);
CREATE INDEX listener_of ON listener (load_balancer_id, created_at, id);
CREATE INDEX listener_in_order ON listener (created_at, id);
CREATE INDEX listener_by_name ON listener (name);
CREATE INDEX listener_by_tags ON listener USING gin (tags);
CREATE INDEX pool_of ON pool (load_balancer_id, created_at, id);
CREATE INDEX pool_in_order ON pool (created_at, id);
CREATE INDEX pool_by_name ON pool (name);
CREATE INDEX pool_by_tags ON pool USING gin (tags);
CREATE INDEX member_of_load_balancer ON member (load_balancer_id, created_at, id);
CREATE INDEX member_unsettled ON member (load_balancer_id) WHERE provisioning_status <> 'ACTIVE';
CREATE INDEX member_by_project ON member (project_id);
CREATE INDEX health_monitor_of_load_balancer ON health_monitor (load_balancer_id, created_at, id);
CREATE INDEX health_monitor_of ON health_monitor (pool_id);
CREATE INDEX health_monitor_in_order ON health_monitor (created_at, id);
CREATE INDEX health_monitor_by_name ON health_monitor (name);
CREATE INDEX health_monitor_by_tags ON health_monitor USING gin (tags);

CREATE TABLE l7policy (
    id                  uuid PRIMARY KEY,
    project_id          text NOT NULL,
    load_balancer_id    uuid NOT NULL REFERENCES load_balancer ON DELETE CASCADE,
    listener_id         uuid NOT NULL REFERENCES listener ON DELETE CASCADE,
    name                text NOT NULL DEFAULT '',
    description         text NOT NULL DEFAULT '',
    admin_state_up      boolean NOT NULL DEFAULT true,
    action              text NOT NULL,
    position            integer NOT NULL CHECK (position > 0),
    redirect_pool_id    uuid CONSTRAINT l7policy_redirect_pool REFERENCES pool DEFERRABLE INITIALLY DEFERRED,
    redirect_url        text,
    redirect_prefix     text,
    redirect_http_code  integer,
    tags                text[] NOT NULL DEFAULT '{}',
    provisioning_status text NOT NULL,
    operating_status    text NOT NULL,
    revision            bigint NOT NULL,
    incomplete          text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz
);
CREATE INDEX l7policy_of ON l7policy (listener_id, position);
CREATE INDEX l7policy_of_load_balancer ON l7policy (load_balancer_id, created_at, id);
CREATE INDEX l7policy_by_pool ON l7policy (redirect_pool_id);
CREATE INDEX l7policy_by_project ON l7policy (project_id, created_at, id);
CREATE INDEX l7policy_in_order ON l7policy (created_at, id);

CREATE TABLE l7rule (
    id                  uuid PRIMARY KEY,
    project_id          text NOT NULL,
    load_balancer_id    uuid NOT NULL REFERENCES load_balancer ON DELETE CASCADE,
    l7policy_id         uuid NOT NULL REFERENCES l7policy ON DELETE CASCADE,
    admin_state_up      boolean NOT NULL DEFAULT true,
    type                text NOT NULL,
    compare_type        text NOT NULL,
    key                 text,
    value               text NOT NULL,
    invert              boolean NOT NULL DEFAULT false,
    tags                text[] NOT NULL DEFAULT '{}',
    provisioning_status text NOT NULL,
    operating_status    text NOT NULL,
    revision            bigint NOT NULL,
    incomplete          text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz
);
CREATE INDEX l7rule_of ON l7rule (l7policy_id, created_at, id);
CREATE INDEX l7rule_of_load_balancer ON l7rule (load_balancer_id);
CREATE INDEX l7rule_by_project ON l7rule (project_id);

ALTER TABLE amphora
    ADD COLUMN withdrawn_at timestamptz,
    ADD COLUMN config_due boolean NOT NULL DEFAULT false;

-- What changed its status, as it happened: one row for each change of an object's provisioning or operating status,
-- written by triggers in the change's own transaction. Whoever follows reads up to the oldest transaction that is still
-- under way, in the order of (transaction, id): in that order nothing ever appears before what was read already.
CREATE TABLE event (
    transaction         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id                  bigint GENERATED ALWAYS AS IDENTITY,
    at                  timestamptz NOT NULL DEFAULT now(),
    kind                text NOT NULL,
    object_id           uuid NOT NULL,
    load_balancer_id    uuid,
    project_id          text,
    provisioning_status text,                              -- DELETED when the row went
    operating_status    text,
    error               text,
    PRIMARY KEY (transaction, id)
);
CREATE INDEX event_of ON event (object_id, transaction, id);
CREATE INDEX event_of_load_balancer ON event (load_balancer_id, transaction, id);
CREATE INDEX event_at ON event (at);

-- A session keeps a trigger's plan. One made when a single row changed would be a nested loop, and take ten seconds over the
-- next ten thousand rows: hence no nested loops here.
CREATE FUNCTION tell_of_child() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.load_balancer_id, n.project_id, n.provisioning_status, n.operating_status, n.incomplete FROM after_it n;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.load_balancer_id, n.project_id, n.provisioning_status, n.operating_status, n.incomplete
        FROM after_it n JOIN before_it o ON o.id = n.id
        WHERE (n.provisioning_status, n.operating_status, n.incomplete)
              IS DISTINCT FROM (o.provisioning_status, o.operating_status, o.incomplete);
    ELSE
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.load_balancer_id, n.project_id, 'DELETED', n.operating_status, n.incomplete FROM before_it n;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('octavia_tx_event', '');
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tell_of_load_balancer() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.id, n.project_id, n.provisioning_status, n.operating_status, coalesce(n.error, n.incomplete) FROM after_it n;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.id, n.project_id, n.provisioning_status, n.operating_status, coalesce(n.error, n.incomplete)
        FROM after_it n JOIN before_it o ON o.id = n.id
        WHERE (n.provisioning_status, n.operating_status, n.incomplete, n.error)
              IS DISTINCT FROM (o.provisioning_status, o.operating_status, o.incomplete, o.error);
    ELSE
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.id, n.project_id, 'DELETED', n.operating_status, coalesce(n.error, n.incomplete) FROM before_it n;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('octavia_tx_event', '');
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tell_of_amphora() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.load_balancer_id, (SELECT b.project_id FROM load_balancer b WHERE b.id = n.load_balancer_id), n.state, NULL, n.error FROM after_it n;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.load_balancer_id, (SELECT b.project_id FROM load_balancer b WHERE b.id = n.load_balancer_id), n.state, NULL, n.error
        FROM after_it n JOIN before_it o ON o.id = n.id
        WHERE (n.state, n.error) IS DISTINCT FROM (o.state, o.error);
    ELSE
        INSERT INTO event (kind, object_id, load_balancer_id, project_id, provisioning_status, operating_status, error)
        SELECT TG_TABLE_NAME, n.id, n.load_balancer_id, (SELECT b.project_id FROM load_balancer b WHERE b.id = n.load_balancer_id), 'DELETED', NULL, n.error FROM before_it n;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('octavia_tx_event', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER load_balancer_appears AFTER INSERT ON load_balancer
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_load_balancer();
CREATE TRIGGER load_balancer_changes AFTER UPDATE ON load_balancer
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_load_balancer();
CREATE TRIGGER load_balancer_goes AFTER DELETE ON load_balancer
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_load_balancer();

CREATE TRIGGER listener_appears AFTER INSERT ON listener
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER listener_changes AFTER UPDATE ON listener
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER listener_goes AFTER DELETE ON listener
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();

CREATE TRIGGER pool_appears AFTER INSERT ON pool
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER pool_changes AFTER UPDATE ON pool
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER pool_goes AFTER DELETE ON pool
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();

CREATE TRIGGER member_appears AFTER INSERT ON member
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER member_changes AFTER UPDATE ON member
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER member_goes AFTER DELETE ON member
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();

CREATE TRIGGER health_monitor_appears AFTER INSERT ON health_monitor
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER health_monitor_changes AFTER UPDATE ON health_monitor
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER health_monitor_goes AFTER DELETE ON health_monitor
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();

CREATE TRIGGER l7policy_appears AFTER INSERT ON l7policy
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER l7policy_changes AFTER UPDATE ON l7policy
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER l7policy_goes AFTER DELETE ON l7policy
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();

CREATE TRIGGER l7rule_appears AFTER INSERT ON l7rule
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER l7rule_changes AFTER UPDATE ON l7rule
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();
CREATE TRIGGER l7rule_goes AFTER DELETE ON l7rule
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_child();

CREATE TRIGGER amphora_appears AFTER INSERT ON amphora
    REFERENCING NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_amphora();
CREATE TRIGGER amphora_changes AFTER UPDATE ON amphora
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_amphora();
CREATE TRIGGER amphora_goes AFTER DELETE ON amphora
    REFERENCING OLD TABLE AS before_it FOR EACH STATEMENT EXECUTE FUNCTION tell_of_amphora();
