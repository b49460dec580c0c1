-- A session that was set aside goes to the archive at once when it was put back since, under another epoch.
--
-- KEYS  1 sessions to archive  2 sessions set aside  3 flat fields
-- ARGV  1 now or ''  2 session
-- Gives 1, or 0 when it stays as it is
local epoch = redis.call('HGET', KEYS[3], 'epoch')
local held = string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '', '^%d+')
if not epoch or not held or held == epoch then return 0 end
redis.call('HDEL', KEYS[2], ARGV[2])
local life = math.max(redis.call('PTTL', KEYS[1]), redis.call('PTTL', KEYS[3]), 1)
redis.call('ZADD', KEYS[1], text(clock(ARGV[1])), ARGV[2])
redis.call('PEXPIRE', KEYS[1], text(life))
return 1
