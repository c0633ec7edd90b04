-- The certificate with which the newest one was asked for stays good until the newest one is used to
-- renew: the answer may have been lost.
ALTER TABLE clusters ADD COLUMN certificate_used BLOB CHECK (length(certificate_used) = 32);
