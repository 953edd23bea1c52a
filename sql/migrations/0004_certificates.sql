-- Tenants' certificates: the embedded store, and which content of which reference amphorae run.

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

CREATE TABLE secret_held (
    container_id uuid NOT NULL REFERENCES secret_container ON DELETE CASCADE,
    name         text NOT NULL,
    secret_id    uuid NOT NULL CONSTRAINT secret_held_exists REFERENCES secret ON DELETE CASCADE,
    PRIMARY KEY (container_id, name)
);
CREATE INDEX secret_held_by_secret ON secret_held (secret_id);

CREATE TABLE secret_consumer (
    stored_id uuid NOT NULL,
    service   text NOT NULL,
    kind      text NOT NULL,
    user_id   text NOT NULL,
    PRIMARY KEY (stored_id, service, kind, user_id)
);

CREATE TABLE certificate_use (
    load_balancer_id uuid NOT NULL,
    reference        text NOT NULL,
    project_id       text NOT NULL,
    digest           text NOT NULL,
    registered       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (load_balancer_id, reference)
);
