-- oldest-code: 0.1.0

-- A batch is looked up row by row, by the keys. The plans of the function's statements are made once for a connection, and
-- may be made while a table is all but empty: then it is read from end to end, for each row of a batch, until the database
-- gathers statistics. A table of few sessions that are written all the time is no small one, either: it is full of what
-- their rows were before.
alter function commit_batch(json)
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  -- What is disabled counts as dear, and for dear plans machine code would be made.
  set jit = off;
