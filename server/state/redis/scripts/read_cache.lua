-- Reads an entry of a cache, if it was written under the version that its subject has now. A script, so that an access
-- list of an earlier version allows it, and that what is outdated does not travel.
--
-- KEYS  1 version of the subject  2 entry: its version, a space, JSON
-- Gives { version or '', JSON or false }
local version, entry = redis.call('GET', KEYS[1]) or '', redis.call('GET', KEYS[2])
if entry and string.sub(entry, 1, #version + 1) == version .. ' ' then
  return { version, string.sub(entry, #version + 2) }
end
return { version, false }
