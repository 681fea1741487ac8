-- A duplicate is found in one step, however many events of its id a sender makes up; those with a wrong signature are not in it.
CREATE INDEX events_same ON events (provider_event_id, provider, endpoint, event_type, (verdict = 'unsigned'), seq)
    WHERE provider_event_id IS NOT NULL AND origin = 'captured' AND verdict NOT IN ('invalid', 'malformed');
