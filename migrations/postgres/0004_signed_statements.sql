-- One SSHSIG block or more, one behind the other.
ALTER TABLE statements RENAME COLUMN signature TO signatures;
-- The list of changes in its canonical encoding: the statement names its Merkle tree hash.
ALTER TABLE statements ADD COLUMN changes BYTEA NOT NULL DEFAULT '\x';
-- Names of the keys that signed, with spaces between.
ALTER TABLE statements ADD COLUMN signed_by TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Changes that wait for more signatures. `contents`: each with its length before it.
CREATE TABLE proposals (
    digest      BYTEA            NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 32),
    number      BIGINT           NOT NULL CHECK (number > 0),
    statement   BYTEA            NOT NULL,
    signatures  BYTEA            NOT NULL,
    changes     BYTEA            NOT NULL,
    contents    BYTEA            NOT NULL,
    author      TEXT COLLATE "C" NOT NULL,
    proposed_at BIGINT           NOT NULL,
    signed_by   TEXT COLLATE "C" NOT NULL,
    missing     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX proposals_newest ON proposals (proposed_at, digest);

-- The age recipient that the agent says it made, and what the join command's key says of it.
ALTER TABLE clusters ADD COLUMN recipient_offered TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE clusters ADD COLUMN recipient_vouch BYTEA NOT NULL DEFAULT '\x';
-- As the agent reported its fence last, as JSON; empty before it did.
ALTER TABLE clusters ADD COLUMN fence TEXT COLLATE "C" NOT NULL DEFAULT '';
-- Which condition the newest bundle failed; 0 for none.
ALTER TABLE clusters ADD COLUMN refused_condition SMALLINT NOT NULL DEFAULT 0;
-- Names of secrets that the cluster cannot open, as JSON.
ALTER TABLE clusters ADD COLUMN secrets_pending TEXT COLLATE "C" NOT NULL DEFAULT '[]';
