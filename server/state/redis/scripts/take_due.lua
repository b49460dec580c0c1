-- Takes sessions whose deadline has come, for a while: whoever takes them acts, or they come again.
--
-- KEYS  1 deadlines of a partition
-- ARGV  1 now or ''  2 most of them  3 how long they are taken for, ms
-- Gives { now, session … }
local now = clock(ARGV[1])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', text(now), 'LIMIT', 0, ARGV[2])
-- Changes nothing: after a write that frees, Redis lets a script with full memory go on.
if #due > 0 then redis.call('ZREM', KEYS[1], '') end
for _, session in ipairs(due) do redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[3])), session) end
return { text(now), unpack(due) }
