-- Times are microseconds since the epoch; digests are SHA-256, 32 bytes; ids are 16 bytes.

CREATE TABLE fleet (
    singleton    INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    id           BLOB    NOT NULL CHECK (length(id) = 32),
    trust_domain TEXT    NOT NULL,
    trust_root   BLOB    NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

-- The number of the newest statement. Appending moves it by one, from the value that the author saw.
CREATE TABLE head (
    singleton INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    number    INTEGER NOT NULL CHECK (number >= 0)
) STRICT;
INSERT INTO head (singleton, number) VALUES (1, 0);

CREATE TABLE statements (
    number           INTEGER NOT NULL PRIMARY KEY CHECK (number > 0),
    digest           BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    leaf_hash        BLOB    NOT NULL CHECK (length(leaf_hash) = 32),
    bytes            BLOB    NOT NULL,
    signature        BLOB    NOT NULL,
    author           TEXT    NOT NULL,
    time             INTEGER NOT NULL,
    recorded_at      INTEGER NOT NULL,
    clusters_changed INTEGER NOT NULL
) STRICT;

-- Documents, roster entries and bundle manifests, each stored once.
CREATE TABLE contents (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    bytes  BLOB NOT NULL
) STRICT;

-- What a subject is since a statement; no digest: it was removed.
CREATE TABLE leaves (
    subject TEXT    NOT NULL,
    number  INTEGER NOT NULL REFERENCES statements (number),
    digest  BLOB    REFERENCES contents (digest),
    PRIMARY KEY (subject, number)
) STRICT, WITHOUT ROWID;

-- A cluster may be in the signed roster that this hub never invited: no reference to clusters.
CREATE TABLE bundles (
    cluster_id BLOB    NOT NULL CHECK (length(cluster_id) = 16),
    generation INTEGER NOT NULL REFERENCES statements (number),
    manifest   BLOB    NOT NULL REFERENCES contents (digest),
    leaf_index INTEGER NOT NULL CHECK (leaf_index >= 0),
    tree_size  INTEGER NOT NULL CHECK (tree_size > leaf_index),
    path       BLOB    NOT NULL CHECK (length(path) % 32 = 0),
    PRIMARY KEY (cluster_id, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE clusters (
    id                      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name                    TEXT    NOT NULL,
    cluster_uid             TEXT    NOT NULL DEFAULT '',
    agent_version           TEXT    NOT NULL DEFAULT '',
    kubernetes_version      TEXT    NOT NULL DEFAULT '',
    invited_at              INTEGER NOT NULL,
    joined_at               INTEGER,
    revoked_at              INTEGER,
    certificate_expires_at  INTEGER,
    certificate_fingerprint BLOB    CHECK (length(certificate_fingerprint) = 32),
    generation_applied      INTEGER NOT NULL DEFAULT 0,
    digest_applied          BLOB    CHECK (length(digest_applied) = 32),
    phase                   INTEGER NOT NULL DEFAULT 0,
    problems                TEXT    NOT NULL DEFAULT '[]',
    removals_waiting        INTEGER NOT NULL DEFAULT 0,
    objects                 INTEGER NOT NULL DEFAULT 0,
    message                 TEXT    NOT NULL DEFAULT '',
    last_seen               INTEGER
) STRICT;
CREATE UNIQUE INDEX clusters_name ON clusters (name) WHERE revoked_at IS NULL;

-- The hash of each token, never the token.
CREATE TABLE join_tokens (
    hash         BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    cluster_id   BLOB    NOT NULL REFERENCES clusters (id),
    cluster_name TEXT    NOT NULL,
    created_by   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    used_at      INTEGER
) STRICT;
CREATE INDEX join_tokens_cluster ON join_tokens (cluster_id);

CREATE TABLE users (
    name        TEXT    NOT NULL PRIMARY KEY,
    role        TEXT    NOT NULL CHECK (role IN ('administrator', 'viewer')),
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    created_at  INTEGER NOT NULL,
    revoked_at  INTEGER
) STRICT;

-- An agent names its occurrences itself: an id belongs to its cluster, and cannot reach another's row.
CREATE TABLE drift (
    cluster_id  BLOB    NOT NULL REFERENCES clusters (id),
    id          BLOB    NOT NULL CHECK (length(id) = 16),
    api_version TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    namespace   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    class       INTEGER NOT NULL CHECK (class BETWEEN 1 AND 4),
    state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
    source      TEXT    NOT NULL,
    fields      TEXT    NOT NULL,
    manager     TEXT    NOT NULL,
    since       INTEGER,
    detected_at INTEGER NOT NULL,
    resolved_at INTEGER CHECK ((resolved_at IS NULL) = (state = 1)),
    message     TEXT    NOT NULL,
    -- The reports that last changed and that resolved it, so that a repeated one changes nothing.
    updated_by  BLOB    CHECK (length(updated_by) = 16),
    resolved_by BLOB    CHECK (length(resolved_by) = 16),
    PRIMARY KEY (cluster_id, id)
) STRICT;
CREATE UNIQUE INDEX drift_open ON drift (cluster_id, api_version, kind, namespace, name) WHERE state = 1;
CREATE INDEX drift_standing ON drift (detected_at, id, cluster_id) WHERE state = 1;
CREATE INDEX drift_newest ON drift (detected_at, id, cluster_id);
CREATE INDEX drift_newest_of_cluster ON drift (cluster_id, detected_at, id);
CREATE INDEX drift_resolved ON drift (resolved_at) WHERE state <> 1;
CREATE INDEX drift_updated_by ON drift (cluster_id, updated_by) WHERE updated_by IS NOT NULL;
CREATE INDEX drift_resolved_by ON drift (cluster_id, resolved_by) WHERE resolved_by IS NOT NULL;
