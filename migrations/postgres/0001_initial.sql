-- Times are microseconds since the epoch; digests are SHA-256, 32 bytes. Text sorts by its bytes.

CREATE TABLE fleet (
    singleton    SMALLINT         NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id           BYTEA            NOT NULL CHECK (octet_length(id) = 32),
    trust_domain TEXT COLLATE "C" NOT NULL,
    trust_root   BYTEA            NOT NULL,
    created_at   BIGINT           NOT NULL
);

-- The number of the newest statement. Appending moves it by one, from the value that the author saw.
CREATE TABLE head (
    singleton SMALLINT NOT NULL PRIMARY KEY CHECK (singleton = 1),
    number    BIGINT   NOT NULL CHECK (number >= 0)
);
INSERT INTO head (singleton, number) VALUES (1, 0);

CREATE TABLE statements (
    number           BIGINT           NOT NULL PRIMARY KEY CHECK (number > 0),
    digest           BYTEA            NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    leaf_hash        BYTEA            NOT NULL CHECK (octet_length(leaf_hash) = 32),
    bytes            BYTEA            NOT NULL,
    signature        BYTEA            NOT NULL,
    author           TEXT COLLATE "C" NOT NULL,
    time             BIGINT           NOT NULL,
    recorded_at      BIGINT           NOT NULL,
    clusters_changed BIGINT           NOT NULL
);

-- Documents, roster entries and bundle manifests, each stored once.
CREATE TABLE contents (
    digest BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32),
    bytes  BYTEA NOT NULL
);

-- What a subject is since a statement; no digest: it was removed.
CREATE TABLE leaves (
    subject TEXT COLLATE "C" NOT NULL,
    number  BIGINT           NOT NULL REFERENCES statements (number),
    digest  BYTEA            REFERENCES contents (digest),
    PRIMARY KEY (subject, number)
);

-- A cluster may be in the signed roster that this hub never invited: no reference to clusters.
CREATE TABLE bundles (
    cluster_id UUID   NOT NULL,
    generation BIGINT NOT NULL REFERENCES statements (number),
    manifest   BYTEA  NOT NULL REFERENCES contents (digest),
    leaf_index BIGINT NOT NULL CHECK (leaf_index >= 0),
    tree_size  BIGINT NOT NULL CHECK (tree_size > leaf_index),
    path       BYTEA  NOT NULL CHECK (octet_length(path) % 32 = 0),
    PRIMARY KEY (cluster_id, generation)
);

CREATE TABLE clusters (
    id                      UUID             NOT NULL PRIMARY KEY,
    name                    TEXT COLLATE "C" NOT NULL,
    cluster_uid             TEXT COLLATE "C" NOT NULL DEFAULT '',
    agent_version           TEXT COLLATE "C" NOT NULL DEFAULT '',
    kubernetes_version      TEXT COLLATE "C" NOT NULL DEFAULT '',
    invited_at              BIGINT           NOT NULL,
    joined_at               BIGINT,
    revoked_at              BIGINT,
    certificate_expires_at  BIGINT,
    certificate_fingerprint BYTEA            CHECK (octet_length(certificate_fingerprint) = 32),
    generation_applied      BIGINT           NOT NULL DEFAULT 0,
    digest_applied          BYTEA            CHECK (octet_length(digest_applied) = 32),
    phase                   SMALLINT         NOT NULL DEFAULT 0,
    problems                TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    removals_waiting        BIGINT           NOT NULL DEFAULT 0,
    objects                 BIGINT           NOT NULL DEFAULT 0,
    message                 TEXT COLLATE "C" NOT NULL DEFAULT '',
    last_seen               BIGINT
);
CREATE UNIQUE INDEX clusters_name ON clusters (name) WHERE revoked_at IS NULL;

-- The hash of each token, never the token.
CREATE TABLE join_tokens (
    hash         BYTEA            NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    cluster_id   UUID             NOT NULL REFERENCES clusters (id),
    cluster_name TEXT COLLATE "C" NOT NULL,
    created_by   TEXT COLLATE "C" NOT NULL,
    created_at   BIGINT           NOT NULL,
    expires_at   BIGINT           NOT NULL,
    used_at      BIGINT
);
CREATE INDEX join_tokens_cluster ON join_tokens (cluster_id);

CREATE TABLE users (
    name        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    role        TEXT COLLATE "C" NOT NULL CHECK (role IN ('administrator', 'viewer')),
    fingerprint BYTEA            NOT NULL CHECK (octet_length(fingerprint) = 32),
    created_at  BIGINT           NOT NULL,
    revoked_at  BIGINT
);

-- An agent names its occurrences itself: an id belongs to its cluster, and cannot reach another's row.
CREATE TABLE drift (
    cluster_id  UUID             NOT NULL REFERENCES clusters (id),
    id          UUID             NOT NULL,
    api_version TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    namespace   TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    class       SMALLINT         NOT NULL CHECK (class BETWEEN 1 AND 4),
    state       SMALLINT         NOT NULL CHECK (state BETWEEN 1 AND 3),
    source      TEXT COLLATE "C" NOT NULL,
    fields      TEXT COLLATE "C" NOT NULL,
    manager     TEXT COLLATE "C" NOT NULL,
    since       BIGINT,
    detected_at BIGINT           NOT NULL,
    resolved_at BIGINT           CHECK ((resolved_at IS NULL) = (state = 1)),
    message     TEXT COLLATE "C" NOT NULL,
    -- The reports that last changed and that resolved it, so that a repeated one changes nothing.
    updated_by  UUID,
    resolved_by UUID,
    PRIMARY KEY (cluster_id, id)
);
CREATE UNIQUE INDEX drift_open ON drift (cluster_id, api_version, kind, namespace, name) WHERE state = 1;
CREATE INDEX drift_standing ON drift (detected_at, id, cluster_id) WHERE state = 1;
CREATE INDEX drift_newest ON drift (detected_at, id, cluster_id);
CREATE INDEX drift_newest_of_cluster ON drift (cluster_id, detected_at, id);
CREATE INDEX drift_resolved ON drift (resolved_at) WHERE state <> 1;
CREATE INDEX drift_updated_by ON drift (cluster_id, updated_by) WHERE updated_by IS NOT NULL;
CREATE INDEX drift_resolved_by ON drift (cluster_id, resolved_by) WHERE resolved_by IS NOT NULL;
