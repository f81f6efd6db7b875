-- When all of this user's sessions were last ended: what was issued up to then identifies nobody.
ALTER TABLE user ADD COLUMN sessions_ended_at INTEGER;
