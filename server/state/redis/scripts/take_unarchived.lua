-- Takes sessions that have something to archive, for a while.
--
-- KEYS  1 sessions to archive of a partition
-- ARGV  1 now or ''  2 most of them  3 how long they are taken for, ms
-- Gives { now, session, since when it waits … }
local now = clock(ARGV[1])
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'WITHSCORES', 'LIMIT', 0, ARGV[2])
-- Changes nothing: after a write that frees, Redis lets a script with full memory go on, and only the archive frees it.
if #found > 0 then redis.call('ZREM', KEYS[1], '') end
for index = 1, #found, 2 do redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[3])), found[index]) end
return { text(now), unpack(found) }
