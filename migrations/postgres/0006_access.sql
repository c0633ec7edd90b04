-- What each cluster's inventory holds, by the newest report. `bytes`: of what its objects say together.
-- `buckets`: 256 digests, one behind the
-- other. `unseen`: JSON, why a kind was not seen. `learned_at` only rises: one report, one moment.
CREATE TABLE access_clusters (
    cluster_id UUID             NOT NULL PRIMARY KEY REFERENCES clusters (id),
    root       BYTEA            NOT NULL CHECK (octet_length(root) = 32),
    buckets    BYTEA            NOT NULL CHECK (octet_length(buckets) = 8192),
    objects    BIGINT           NOT NULL CHECK (objects >= 0),
    bytes      BIGINT           NOT NULL CHECK (bytes >= 0),
    skipped    BIGINT           NOT NULL CHECK (skipped >= 0),
    unseen     TEXT COLLATE "C" NOT NULL,
    learned_at BIGINT           NOT NULL
);

-- What objects say, each stored once, whatever says it in whichever cluster.
CREATE TABLE access_contents (
    id     BIGINT           NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest BYTEA            NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    json   TEXT COLLATE "C" NOT NULL
);

-- The newest version of each object, also when that is that it is gone (no content).
CREATE TABLE access_objects (
    cluster_id UUID             NOT NULL REFERENCES clusters (id),
    key_hash   BYTEA            NOT NULL CHECK (octet_length(key_hash) = 32),
    kind       SMALLINT         NOT NULL,
    namespace  TEXT COLLATE "C" NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    content    BIGINT           REFERENCES access_contents (id),
    leaf       BYTEA            CHECK (octet_length(leaf) = 32),
    at         BIGINT           NOT NULL,
    learned_at BIGINT           NOT NULL,
    origin     BYTEA            NOT NULL,
    PRIMARY KEY (cluster_id, key_hash),
    CHECK ((content IS NULL) = (leaf IS NULL))
);
CREATE INDEX access_objects_at ON access_objects (cluster_id, at);
CREATE INDEX access_objects_learned ON access_objects (cluster_id, learned_at);
CREATE INDEX access_objects_content ON access_objects (content) WHERE content IS NOT NULL;
CREATE INDEX access_objects_gone ON access_objects (learned_at) WHERE content IS NULL;

-- The versions before: each until the next one of its object, by both clocks.
CREATE TABLE access_past (
    cluster_id    UUID             NOT NULL REFERENCES clusters (id),
    key_hash      BYTEA            NOT NULL CHECK (octet_length(key_hash) = 32),
    kind          SMALLINT         NOT NULL,
    namespace     TEXT COLLATE "C" NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    content       BIGINT           REFERENCES access_contents (id),
    leaf          BYTEA            CHECK (octet_length(leaf) = 32),
    at            BIGINT           NOT NULL,
    learned_at    BIGINT           NOT NULL,
    origin        BYTEA            NOT NULL,
    until_at      BIGINT           NOT NULL CHECK (until_at >= at),
    until_learned BIGINT           NOT NULL CHECK (until_learned >= learned_at),
    PRIMARY KEY (cluster_id, key_hash, learned_at, at),
    CHECK ((content IS NULL) = (leaf IS NULL))
);
CREATE INDEX access_past_at ON access_past (cluster_id, at);
CREATE INDEX access_past_ended ON access_past (until_learned);
CREATE INDEX access_past_content ON access_past (content) WHERE content IS NOT NULL;

-- What agents signed: that the root was this one from one moment to another.
CREATE TABLE access_checkpoints (
    cluster_id UUID             NOT NULL REFERENCES clusters (id),
    from_at    BIGINT           NOT NULL,
    root       BYTEA            NOT NULL CHECK (octet_length(root) = 32),
    until_at   BIGINT           NOT NULL CHECK (until_at >= from_at),
    checkpoint BYTEA            NOT NULL,
    signature  BYTEA            NOT NULL,
    learned_at BIGINT           NOT NULL,
    PRIMARY KEY (cluster_id, from_at, root)
);
CREATE INDEX access_checkpoints_ended ON access_checkpoints (until_at);

-- When the cluster was seen without a gap.
CREATE TABLE access_coverage (
    cluster_id UUID             NOT NULL REFERENCES clusters (id),
    from_at    BIGINT           NOT NULL,
    until_at   BIGINT           NOT NULL CHECK (until_at >= from_at),
    learned_at BIGINT           NOT NULL,
    PRIMARY KEY (cluster_id, from_at)
);
CREATE INDEX access_coverage_ended ON access_coverage (until_at);

-- `identity`: what makes a violation the same one as before. `detail`: what the services say of it.
CREATE TABLE access_violations (
    id          UUID             NOT NULL PRIMARY KEY,
    cluster_id  UUID             NOT NULL REFERENCES clusters (id),
    identity    BYTEA            NOT NULL CHECK (octet_length(identity) = 32),
    invariant   TEXT COLLATE "C" NOT NULL,
    detail      BYTEA            NOT NULL,
    since       BIGINT           NOT NULL,
    detected_at BIGINT           NOT NULL,
    resolved_at BIGINT           CHECK (resolved_at >= detected_at)
);
CREATE UNIQUE INDEX access_violations_open ON access_violations (cluster_id, identity) WHERE resolved_at IS NULL;
CREATE INDEX access_violations_standing ON access_violations (detected_at, id) WHERE resolved_at IS NULL;
CREATE INDEX access_violations_newest ON access_violations (detected_at, id);
CREATE INDEX access_violations_newest_of_cluster ON access_violations (cluster_id, detected_at, id);
CREATE INDEX access_violations_resolved ON access_violations (resolved_at) WHERE resolved_at IS NOT NULL;

-- The groups of a directory from one import until the next.
CREATE TABLE directory_imports (
    directory   TEXT COLLATE "C" NOT NULL,
    imported_at BIGINT           NOT NULL,
    until_at    BIGINT           CHECK (until_at > imported_at),
    imported_by TEXT COLLATE "C" NOT NULL,
    digest      BYTEA            NOT NULL CHECK (octet_length(digest) = 32),
    bytes       BYTEA            NOT NULL,
    PRIMARY KEY (directory, imported_at)
);
CREATE UNIQUE INDEX directory_imports_current ON directory_imports (directory) WHERE until_at IS NULL;
CREATE INDEX directory_imports_ended ON directory_imports (until_at) WHERE until_at IS NOT NULL;

-- What ended before this was forgotten: questions about it have no answer.
CREATE TABLE access_history (
    singleton    SMALLINT         NOT NULL PRIMARY KEY CHECK (singleton = 1),
    history_from BIGINT           NOT NULL
);
