-- What each cluster's inventory holds, by the newest report. `bytes`: of what its objects say together.
-- `buckets`: 256 digests, one behind the
-- other. `unseen`: JSON, why a kind was not seen. `learned_at` only rises: one report, one moment.
CREATE TABLE access_clusters (
    cluster_id BLOB    NOT NULL PRIMARY KEY REFERENCES clusters (id),
    root       BLOB    NOT NULL CHECK (length(root) = 32),
    buckets    BLOB    NOT NULL CHECK (length(buckets) = 8192),
    objects    INTEGER NOT NULL CHECK (objects >= 0),
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    skipped    INTEGER NOT NULL CHECK (skipped >= 0),
    unseen     TEXT    NOT NULL,
    learned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What objects say, each stored once, whatever says it in whichever cluster.
CREATE TABLE access_contents (
    id     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    json   TEXT    NOT NULL
) STRICT;

-- The newest version of each object, also when that is that it is gone (no content).
CREATE TABLE access_objects (
    cluster_id BLOB    NOT NULL REFERENCES clusters (id),
    key_hash   BLOB    NOT NULL CHECK (length(key_hash) = 32),
    kind       INTEGER NOT NULL,
    namespace  TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    content    INTEGER REFERENCES access_contents (id),
    leaf       BLOB    CHECK (length(leaf) = 32),
    at         INTEGER NOT NULL,
    learned_at INTEGER NOT NULL,
    origin     BLOB    NOT NULL,
    PRIMARY KEY (cluster_id, key_hash),
    CHECK ((content IS NULL) = (leaf IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX access_objects_at ON access_objects (cluster_id, at);
CREATE INDEX access_objects_learned ON access_objects (cluster_id, learned_at);
CREATE INDEX access_objects_content ON access_objects (content) WHERE content IS NOT NULL;
CREATE INDEX access_objects_gone ON access_objects (learned_at) WHERE content IS NULL;

-- The versions before: each until the next one of its object, by both clocks.
CREATE TABLE access_past (
    cluster_id    BLOB    NOT NULL REFERENCES clusters (id),
    key_hash      BLOB    NOT NULL CHECK (length(key_hash) = 32),
    kind          INTEGER NOT NULL,
    namespace     TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    content       INTEGER REFERENCES access_contents (id),
    leaf          BLOB    CHECK (length(leaf) = 32),
    at            INTEGER NOT NULL,
    learned_at    INTEGER NOT NULL,
    origin        BLOB    NOT NULL,
    until_at      INTEGER NOT NULL CHECK (until_at >= at),
    until_learned INTEGER NOT NULL CHECK (until_learned >= learned_at),
    PRIMARY KEY (cluster_id, key_hash, learned_at, at),
    CHECK ((content IS NULL) = (leaf IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX access_past_at ON access_past (cluster_id, at);
CREATE INDEX access_past_ended ON access_past (until_learned);
CREATE INDEX access_past_content ON access_past (content) WHERE content IS NOT NULL;

-- What agents signed: that the root was this one from one moment to another.
CREATE TABLE access_checkpoints (
    cluster_id BLOB    NOT NULL REFERENCES clusters (id),
    from_at    INTEGER NOT NULL,
    root       BLOB    NOT NULL CHECK (length(root) = 32),
    until_at   INTEGER NOT NULL CHECK (until_at >= from_at),
    checkpoint BLOB    NOT NULL,
    signature  BLOB    NOT NULL,
    learned_at INTEGER NOT NULL,
    PRIMARY KEY (cluster_id, from_at, root)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_checkpoints_ended ON access_checkpoints (until_at);

-- When the cluster was seen without a gap.
CREATE TABLE access_coverage (
    cluster_id BLOB    NOT NULL REFERENCES clusters (id),
    from_at    INTEGER NOT NULL,
    until_at   INTEGER NOT NULL CHECK (until_at >= from_at),
    learned_at INTEGER NOT NULL,
    PRIMARY KEY (cluster_id, from_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_coverage_ended ON access_coverage (until_at);

-- `identity`: what makes a violation the same one as before. `detail`: what the services say of it.
CREATE TABLE access_violations (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    cluster_id  BLOB    NOT NULL REFERENCES clusters (id),
    identity    BLOB    NOT NULL CHECK (length(identity) = 32),
    invariant   TEXT    NOT NULL,
    detail      BLOB    NOT NULL,
    since       INTEGER NOT NULL,
    detected_at INTEGER NOT NULL,
    resolved_at INTEGER CHECK (resolved_at >= detected_at)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX access_violations_open ON access_violations (cluster_id, identity) WHERE resolved_at IS NULL;
CREATE INDEX access_violations_standing ON access_violations (detected_at, id) WHERE resolved_at IS NULL;
CREATE INDEX access_violations_newest ON access_violations (detected_at, id);
CREATE INDEX access_violations_newest_of_cluster ON access_violations (cluster_id, detected_at, id);
CREATE INDEX access_violations_resolved ON access_violations (resolved_at) WHERE resolved_at IS NOT NULL;

-- The groups of a directory from one import until the next.
CREATE TABLE directory_imports (
    directory   TEXT    NOT NULL,
    imported_at INTEGER NOT NULL,
    until_at    INTEGER CHECK (until_at > imported_at),
    imported_by TEXT    NOT NULL,
    digest      BLOB    NOT NULL CHECK (length(digest) = 32),
    bytes       BLOB    NOT NULL,
    PRIMARY KEY (directory, imported_at)
) STRICT;
CREATE UNIQUE INDEX directory_imports_current ON directory_imports (directory) WHERE until_at IS NULL;
CREATE INDEX directory_imports_ended ON directory_imports (until_at) WHERE until_at IS NOT NULL;

-- What ended before this was forgotten: questions about it have no answer.
CREATE TABLE access_history (
    singleton    INTEGER NOT NULL PRIMARY KEY CHECK (singleton = 1),
    history_from INTEGER NOT NULL
) STRICT;
