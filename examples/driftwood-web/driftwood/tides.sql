-- The whole data of the sample: places and heights are made up.
CREATE TABLE tides (
    station TEXT PRIMARY KEY,       -- as in the URL
    name TEXT NOT NULL,             -- as people write it
    high_water TEXT NOT NULL,       -- UTC, hours and minutes
    height_metres REAL NOT NULL     -- above chart datum
) WITHOUT ROWID;

INSERT INTO tides VALUES
    ('gull-harbour', 'Gull Harbour', '04:12', 4.8),
    ('lantern-point', 'Lantern Point', '05:37', 6.1),
    ('salt-mill', 'Salt Mill', '06:03', 5.4);
