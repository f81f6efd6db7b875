-- When all of this user's sessions were last ended: what was issued up to then identifies nobody.
ALTER TABLE doorbell.app_user ADD COLUMN sessions_ended_at bigint;

-- For the end of all of a user's sessions.
CREATE INDEX session_by_user ON doorbell.session (user_key);
