-- Apart from the event's row, which is written again whenever its state changes, and in front of no body.
CREATE TABLE signatures (
    seq INTEGER PRIMARY KEY,     -- of the event
    signature TEXT NOT NULL      -- what was found about its sender, as JSON
);
ALTER TABLE attempts ADD COLUMN signing TEXT;      -- how it was signed, when not as its event came
