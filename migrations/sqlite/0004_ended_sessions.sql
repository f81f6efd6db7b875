-- When all of this user's sessions were last ended: what was issued up to then identifies nobody.
ALTER TABLE user ADD COLUMN sessions_ended_at INTEGER;

-- For the end of all of a user's sessions.
CREATE INDEX session_by_user ON session (user);
