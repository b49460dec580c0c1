-- A command that counts as activity, or one that says that there is none.
--
-- KEYS  1 flat fields  2 deadlines
-- ARGV  1 now or ''  2 session  3 seat  4 generation  5 'active', 'idle' or '' for what the participant is
--       6 idle warning in ms, '' when it is no activity
-- Gives 'touched', 'closed' or 'not_seated'
local now = clock(ARGV[1])
local flat = redis.call('HMGET', KEYS[1], 'open', 'seat:' .. ARGV[3], 'warned')
if not flat[2] or flat[2] ~= ARGV[4] then return 'not_seated' end
if flat[1] ~= '1' then return 'closed' end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'a:' .. ARGV[3], ARGV[5]) end
if ARGV[6] == '' then return 'touched' end
redis.call('HSET', KEYS[1], 'act', text(now), 'warned', '0')
if flat[3] == '1' then redis.call('ZADD', KEYS[2], 'LT', text(now + tonumber(ARGV[6])), ARGV[2]) end
return 'touched'
