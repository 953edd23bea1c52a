-- The system's state, and the truth about its shape. Migrations in sql/migrations/ lead here from earlier versions.
-- Names of columns are the model's and the API's names.

CREATE TABLE schema_version (version integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());

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

CREATE TABLE load_balancer (
    id                  uuid PRIMARY KEY,
    project_id          text NOT NULL,
    name                text NOT NULL DEFAULT '',
    description         text NOT NULL DEFAULT '',
    admin_state_up      boolean NOT NULL DEFAULT true,
    provider            text NOT NULL,
    flavor_id           uuid CONSTRAINT load_balancer_has_flavor REFERENCES flavor,
    availability_zone   text CONSTRAINT load_balancer_has_zone REFERENCES availability_zone (name),
    topology            text NOT NULL DEFAULT 'SINGLE',
    vip_address         inet,
    vip_port_id         uuid,
    vip_subnet_id       uuid,
    vip_network_id      uuid,
    vip_qos_policy_id   uuid,
    vip_sg_ids          uuid[] NOT NULL DEFAULT '{}',
    vip_vnic_type       text NOT NULL DEFAULT 'normal',
    additional_vips     jsonb NOT NULL DEFAULT '[]',
    tags                text[] NOT NULL DEFAULT '{}',
    provisioning_status text NOT NULL,
    operating_status    text NOT NULL,
    revision            bigint NOT NULL DEFAULT 1,
    applied_revision    bigint NOT NULL DEFAULT 0,
    error               text,
    incomplete          text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz
);
CREATE INDEX load_balancer_by_project ON load_balancer (project_id, created_at, id);
CREATE INDEX load_balancer_in_order ON load_balancer (created_at, id);
CREATE INDEX load_balancer_by_flavor ON load_balancer (flavor_id) WHERE flavor_id IS NOT NULL;
CREATE INDEX load_balancer_by_zone ON load_balancer (availability_zone) WHERE availability_zone IS NOT NULL;
CREATE INDEX load_balancer_by_name ON load_balancer (name);
CREATE INDEX load_balancer_by_tags ON load_balancer USING gin (tags);
CREATE INDEX load_balancer_by_address ON load_balancer (vip_address) WHERE vip_address IS NOT NULL;
CREATE INDEX load_balancer_with_more ON load_balancer (id) WHERE additional_vips <> '[]';
CREATE UNIQUE INDEX load_balancer_vip ON load_balancer (vip_subnet_id, vip_address) WHERE vip_address IS NOT NULL;

-- One row for each load balancer that isn't settled or that someone works on: who may, until when, and how it goes.
-- Apart from load_balancer, so that renewing a lease never waits for a tenant's transaction.
CREATE TABLE convergence (
    load_balancer_id uuid PRIMARY KEY REFERENCES load_balancer ON DELETE CASCADE,
    due_at           timestamptz NOT NULL DEFAULT now(),   -- when it wants attention next
    settled          boolean NOT NULL DEFAULT false,       -- nothing to do until the next revision or fact
    woken            boolean NOT NULL DEFAULT false,       -- a fact came since the lease was taken
    pending_since    timestamptz NOT NULL DEFAULT now(),   -- since when it is not settled
    holder           uuid,                                 -- the controller that holds the lease
    expires_at       timestamptz,
    fence            bigint NOT NULL DEFAULT 0,            -- raised by each lease
    attempts         integer NOT NULL DEFAULT 0,           -- failures in a row
    step             text,                                 -- what it does, or failed at
    last_error       text,
    last_error_at    timestamptz
);
CREATE INDEX convergence_due ON convergence (due_at) WHERE NOT settled;

CREATE TABLE listener (
    id                          uuid PRIMARY KEY,
    project_id                  text NOT NULL,
    load_balancer_id            uuid NOT NULL REFERENCES load_balancer ON DELETE CASCADE,
    name                        text NOT NULL DEFAULT '',
    description                 text NOT NULL DEFAULT '',
    admin_state_up              boolean NOT NULL DEFAULT true,
    protocol                    text NOT NULL,
    protocol_port               integer NOT NULL CHECK (protocol_port BETWEEN 1 AND 65535),
    connection_limit            integer NOT NULL DEFAULT -1,
    default_pool_id             uuid,
    default_tls_container_ref   text,
    sni_container_refs          text[] NOT NULL DEFAULT '{}',
    insert_headers              jsonb NOT NULL DEFAULT '{}',
    timeout_client_data         integer NOT NULL DEFAULT 50000,
    timeout_member_connect      integer NOT NULL DEFAULT 5000,
    timeout_member_data         integer NOT NULL DEFAULT 50000,
    timeout_tcp_inspect         integer NOT NULL DEFAULT 0,
    allowed_cidrs               text[],
    alpn_protocols              text[],
    tls_ciphers                 text,
    tls_versions                text[],
    client_authentication       text NOT NULL DEFAULT 'NONE',
    client_ca_tls_container_ref text,
    client_crl_container_ref    text,
    hsts_max_age                integer,
    hsts_include_subdomains     boolean NOT NULL DEFAULT false,
    hsts_preload                boolean NOT NULL DEFAULT false,
    tags                        text[] NOT NULL DEFAULT '{}',
    provisioning_status         text NOT NULL,
    operating_status            text NOT NULL,
    revision                    bigint NOT NULL,
    incomplete                  text,
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz,
    leaving                     boolean GENERATED ALWAYS AS (provisioning_status = 'PENDING_DELETE') STORED
);
CREATE INDEX listener_of ON listener (load_balancer_id, created_at, id);
CREATE INDEX listener_in_order ON listener (created_at, id);
CREATE INDEX listener_by_name ON listener (name);
CREATE INDEX listener_by_tags ON listener USING gin (tags);
CREATE INDEX listener_by_project ON listener (project_id, created_at, id);
CREATE INDEX listener_by_pool ON listener (default_pool_id);
-- TCP-like and UDP-like listeners may share a port number; one on its way out holds none.
CREATE UNIQUE INDEX listener_port ON listener
    (load_balancer_id, protocol_port, (CASE protocol WHEN 'UDP' THEN 'udp' WHEN 'SCTP' THEN 'sctp' ELSE 'tcp' END))
    WHERE NOT leaving;

CREATE TABLE pool (
    id                   uuid PRIMARY KEY,
    project_id           text NOT NULL,
    load_balancer_id     uuid NOT NULL REFERENCES load_balancer ON DELETE CASCADE,
    name                 text NOT NULL DEFAULT '',
    description          text NOT NULL DEFAULT '',
    admin_state_up       boolean NOT NULL DEFAULT true,
    protocol             text NOT NULL,
    lb_algorithm         text NOT NULL,
    session_persistence  jsonb,
    tls_enabled          boolean NOT NULL DEFAULT false,
    tls_container_ref    text,
    ca_tls_container_ref text,
    crl_container_ref    text,
    tls_ciphers          text,
    tls_versions         text[],
    alpn_protocols       text[],
    tags                 text[] NOT NULL DEFAULT '{}',
    provisioning_status  text NOT NULL,
    operating_status     text NOT NULL,
    revision             bigint NOT NULL,
    incomplete           text,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz
);
CREATE INDEX pool_of ON pool (load_balancer_id, created_at, id);
CREATE INDEX pool_in_order ON pool (created_at, id);
CREATE INDEX pool_by_name ON pool (name);
CREATE INDEX pool_by_tags ON pool USING gin (tags);
CREATE INDEX pool_by_project ON pool (project_id, created_at, id);
ALTER TABLE listener ADD CONSTRAINT listener_default_pool
    FOREIGN KEY (default_pool_id) REFERENCES pool ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE member (
    id                  uuid PRIMARY KEY,
    project_id          text NOT NULL,
    load_balancer_id    uuid NOT NULL REFERENCES load_balancer ON DELETE CASCADE,
    pool_id             uuid NOT NULL REFERENCES pool ON DELETE CASCADE,
    name                text NOT NULL DEFAULT '',
    admin_state_up      boolean NOT NULL DEFAULT true,
    address             inet NOT NULL,
    protocol_port       integer NOT NULL CHECK (protocol_port BETWEEN 1 AND 65535),
    weight              integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 0 AND 256),
    backup              boolean NOT NULL DEFAULT false,
    subnet_id           uuid,
    monitor_address     inet,
    monitor_port        integer,
    vnic_type           text NOT NULL DEFAULT 'normal',
    tags                text[] NOT NULL DEFAULT '{}',
    provisioning_status text NOT NULL,
    operating_status    text NOT NULL,
    revision            bigint NOT NULL,
    incomplete          text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz,
    leaving             boolean GENERATED ALWAYS AS (provisioning_status = 'PENDING_DELETE') STORED
) WITH (fillfactor = 50);
CREATE INDEX member_of ON member (pool_id, created_at, id);
CREATE INDEX member_of_load_balancer ON member (load_balancer_id, created_at, id);
CREATE INDEX member_by_project ON member (project_id);
CREATE UNIQUE INDEX member_address ON member (pool_id, address, protocol_port)
    WHERE NOT leaving;

CREATE TABLE health_monitor (
    id                  uuid PRIMARY KEY,
    project_id          text NOT NULL,
    load_balancer_id    uuid NOT NULL REFERENCES load_balancer ON DELETE CASCADE,
    pool_id             uuid NOT NULL REFERENCES pool ON DELETE CASCADE,
    name                text NOT NULL DEFAULT '',
    admin_state_up      boolean NOT NULL DEFAULT true,
    type                text NOT NULL,
    delay               integer NOT NULL,
    timeout             integer NOT NULL,
    max_retries         integer NOT NULL,
    max_retries_down    integer NOT NULL DEFAULT 3,
    http_method         text,
    url_path            text,
    expected_codes      text,
    http_version        double precision,
    domain_name         text,
    tags                text[] NOT NULL DEFAULT '{}',
    provisioning_status text NOT NULL,
    operating_status    text NOT NULL,
    revision            bigint NOT NULL,
    incomplete          text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz,
    leaving             boolean GENERATED ALWAYS AS (provisioning_status = 'PENDING_DELETE') STORED
);
CREATE INDEX health_monitor_of_load_balancer ON health_monitor (load_balancer_id, created_at, id);
CREATE INDEX health_monitor_of ON health_monitor (pool_id);
CREATE INDEX health_monitor_in_order ON health_monitor (created_at, id);
CREATE INDEX health_monitor_by_name ON health_monitor (name);
CREATE INDEX health_monitor_by_tags ON health_monitor USING gin (tags);
CREATE INDEX health_monitor_by_project ON health_monitor (project_id, created_at, id);
CREATE UNIQUE INDEX health_monitor_one ON health_monitor (pool_id) WHERE NOT leaving;

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

-- load_balancer_id has no foreign key action: an amphora outlives its load balancer's row until its machine is gone.
CREATE TABLE amphora (
    id                 uuid PRIMARY KEY,
    load_balancer_id   uuid REFERENCES load_balancer,
    state              text NOT NULL,
    role               text,
    compute_id         text,
    lb_network_ip      inet,
    vrrp_ip            inet,
    ha_ip              inet,
    vrrp_port_id       uuid,
    ha_port_id         uuid,
    certificate_serial text,
    cert_expiration    timestamptz,
    applied_revision   bigint NOT NULL DEFAULT 0,
    last_heartbeat     timestamptz,
    image_id           text,
    compute_flavor     text,
    cached_zone        text,
    error              text,
    withdrawn_at       timestamptz,                        -- when it was told to take no new connections
    config_due         boolean NOT NULL DEFAULT false,     -- whether its agent wants its settings anew
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz
);
CREATE INDEX amphora_of ON amphora (load_balancer_id);
CREATE INDEX amphora_by_address ON amphora (lb_network_ip);

-- Absolute counters of one listener in one run of haproxy on one amphora (its epoch). Within an epoch a counter only
-- grows, so the largest value seen is the value; a listener's statistics are the sum over all epochs. Datagrams lost,
-- repeated or late, and restarts of agent, haproxy or receiver, neither lose nor double anything.
CREATE TABLE listener_statistics (
    listener_id       uuid NOT NULL REFERENCES listener ON DELETE CASCADE,
    amphora_id        uuid NOT NULL,
    epoch             text NOT NULL,
    active_connections bigint NOT NULL DEFAULT 0,   -- a gauge: the newest value
    bytes_in          bigint NOT NULL DEFAULT 0,
    bytes_out         bigint NOT NULL DEFAULT 0,
    request_errors    bigint NOT NULL DEFAULT 0,
    total_connections bigint NOT NULL DEFAULT 0,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (listener_id, amphora_id, epoch)
);

-- Tenants' secrets, where nobody else keeps them. A payload is sealed with keys that aren't in the database.
CREATE TABLE secret (
    id           uuid PRIMARY KEY,
    project_id   text NOT NULL,
    name         text NOT NULL DEFAULT '',
    secret_type  text NOT NULL,
    algorithm    text,
    bit_length   bigint,
    mode         text,
    content_type text,
    sealed       text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz
);
CREATE INDEX secret_by_project ON secret (project_id, created_at, id);

CREATE TABLE secret_container (
    id         uuid PRIMARY KEY,
    project_id text NOT NULL,
    name       text NOT NULL DEFAULT '',
    type       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz
);
CREATE INDEX secret_container_by_project ON secret_container (project_id, created_at, id);

-- A secret that goes leaves its containers without it.
CREATE TABLE secret_held (
    container_id uuid NOT NULL REFERENCES secret_container ON DELETE CASCADE,
    name         text NOT NULL,
    secret_id    uuid NOT NULL CONSTRAINT secret_held_exists REFERENCES secret ON DELETE CASCADE,
    PRIMARY KEY (container_id, name)
);
CREATE INDEX secret_held_by_secret ON secret_held (secret_id);

-- Who says that they use a secret or container. Load balancers needn't: their references are known.
CREATE TABLE secret_consumer (
    stored_id uuid NOT NULL,
    service   text NOT NULL,
    kind      text NOT NULL,
    user_id   text NOT NULL,
    PRIMARY KEY (stored_id, service, kind, user_id)
);

-- Which content of a reference a load balancer's amphorae run, whoever keeps it. A row outlives its load balancer until
-- whoever keeps the certificate was told.
CREATE TABLE certificate_use (
    load_balancer_id uuid NOT NULL,
    reference        text NOT NULL,
    project_id       text NOT NULL,
    digest           text NOT NULL,
    registered       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (load_balancer_id, reference)
);

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
