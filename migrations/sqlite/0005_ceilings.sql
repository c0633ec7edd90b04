-- The spec of the cluster's Ceiling as JSON, apart from the fence since it is long; empty for none.
ALTER TABLE clusters ADD COLUMN ceiling TEXT NOT NULL DEFAULT '';
