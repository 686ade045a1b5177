-- A state file of version 1 as it was made in November 2026: see src/state/store.h.
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1178825335;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE job ( number INTEGER PRIMARY KEY, instance TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, sources INTEGER NOT NULL, status TEXT NOT NULL, previous TEXT NOT NULL, first_seen INTEGER NOT NULL, processing_since INTEGER, ended INTEGER, expires_at INTEGER, notified INTEGER, tokens REAL, credits REAL, percent REAL, stalled INTEGER NOT NULL, flags INTEGER NOT NULL, error TEXT, UNIQUE (instance, id));
INSERT INTO job VALUES(1,'prod','0199d3a2-6c1e-7f3a-9a51-2c6a7d1b0001','extract','nightly',4,'failed','processing',1763990000,1763990010,1763990500,1764076900,1763990501,1234.5,15.0,40.0,1,33,'no content');
INSERT INTO job VALUES(2,'prod','crawl-2','crawl','crawl-2',1,'none','none',1763990001,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,NULL);
CREATE TABLE notification ( instance TEXT NOT NULL, id TEXT NOT NULL, event TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'handed')), time INTEGER NOT NULL, PRIMARY KEY (instance, id, event), FOREIGN KEY (instance, id) REFERENCES job (instance, id) ON DELETE CASCADE) WITHOUT ROWID;
INSERT INTO notification VALUES('prod','0199d3a2-6c1e-7f3a-9a51-2c6a7d1b0001','failed','pending',1763990501);
INSERT INTO notification VALUES('prod','0199d3a2-6c1e-7f3a-9a51-2c6a7d1b0001','stalled','handed',1763990501);
CREATE TABLE endpoint ( instance TEXT NOT NULL, kind TEXT NOT NULL, sunset_reported INTEGER NOT NULL, last_warning INTEGER NOT NULL, gone_reported INTEGER NOT NULL, PRIMARY KEY (instance, kind)) WITHOUT ROWID;
INSERT INTO endpoint VALUES('prod','extract',1796914800,1,0);
CREATE TABLE meta ( key TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES('clean',1);
COMMIT;
