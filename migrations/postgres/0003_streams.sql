-- The newest of its agent's streams that wrote something: an older one's late words are not taken.
ALTER TABLE clusters ADD COLUMN stream BIGINT NOT NULL DEFAULT 0;
-- When somebody last showed a certificate of the cluster that had been replaced.
ALTER TABLE clusters ADD COLUMN clone_seen BIGINT;
CREATE INDEX drift_resolved_of_cluster ON drift (cluster_id, resolved_at, id) WHERE state <> 1;
