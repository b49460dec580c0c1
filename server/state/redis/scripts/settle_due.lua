-- Says when a session that was taken is due next, and marks a warning as told.
--
-- KEYS  1 deadlines  2 flat fields
-- ARGV  1 session  2 next deadline  3 last activity that the decision was made upon, '' when it warns nobody
-- Gives 1, or 0 when somebody spoke since
if ARGV[3] ~= '' then
  local flat = redis.call('HMGET', KEYS[2], 'act', 'warned', 'open')
  if flat[1] ~= ARGV[3] or flat[2] ~= '0' or flat[3] ~= '1' then return 0 end
  redis.call('HSET', KEYS[2], 'warned', '1')
end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1])
end
return 1
