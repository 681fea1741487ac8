-- Where a `hook listen` looks for secrets, as JSON: files and names, so that other commands look there too.
ALTER TABLE listeners ADD COLUMN lookup TEXT NOT NULL DEFAULT '';
