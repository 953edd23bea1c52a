-- The system's state, and the truth about its shape. Migrations in sql/migrations/ lead here from earlier versions.
-- Names of columns are the model's and the API's names.

CREATE TABLE schema_version (version integer NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());

CREATE TABLE load_balancer (
    id                  uuid PRIMARY KEY,
    project_id          text NOT NULL,
    name                text NOT NULL DEFAULT '',
    description         text NOT NULL DEFAULT '',
    admin_state_up      boolean NOT NULL DEFAULT true,
    provider            text NOT NULL,
    flavor_id           uuid,
    availability_zone   text,
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
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz
);
CREATE INDEX load_balancer_by_project ON load_balancer (project_id, created_at, id);
CREATE INDEX load_balancer_in_order ON load_balancer (created_at, id);
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
    last_error       text
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
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz
);
CREATE INDEX listener_of ON listener (load_balancer_id);
CREATE INDEX listener_by_project ON listener (project_id, created_at, id);
CREATE INDEX listener_by_pool ON listener (default_pool_id);
-- TCP-like and UDP-like listeners may share a port number; one on its way out holds none.
CREATE UNIQUE INDEX listener_port ON listener
    (load_balancer_id, protocol_port, (CASE protocol WHEN 'UDP' THEN 'udp' WHEN 'SCTP' THEN 'sctp' ELSE 'tcp' END))
    WHERE provisioning_status <> 'PENDING_DELETE';

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
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz
);
CREATE INDEX pool_of ON pool (load_balancer_id);
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
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz
);
CREATE INDEX member_of ON member (pool_id, created_at, id);
CREATE INDEX member_of_load_balancer ON member (load_balancer_id);
CREATE UNIQUE INDEX member_address ON member (pool_id, address, protocol_port)
    WHERE provisioning_status <> 'PENDING_DELETE';

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
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz
);
CREATE INDEX health_monitor_of_load_balancer ON health_monitor (load_balancer_id);
CREATE INDEX health_monitor_by_project ON health_monitor (project_id, created_at, id);
CREATE UNIQUE INDEX health_monitor_one ON health_monitor (pool_id) WHERE provisioning_status <> 'PENDING_DELETE';

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
