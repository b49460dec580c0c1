-- Says when a session that was looked at is due next, and marks a warning as told. What changed meanwhile is looked at
-- again at once: its deadline may be an earlier one.
--
-- KEYS  1 deadlines  2 flat fields  3 document  4 log  5 sessions of an instance, without the instance
-- ARGV  1 session  2 next deadline, '' for none  3 version that was looked at  4 whether it was warned, '1' or '0'
--       5 last activity that the decision was made upon, '' when it warns nobody  6 life of the keys, ms
-- Gives 1, or 0 when another change or word came in between
local version, warned, active, open, instances =
  unpack(redis.call('HMGET', KEYS[2], 'v', 'warned', 'act', 'open', 'inst'))
-- First what Redis does also when its memory is full: the rest is then allowed.
if not version or ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 0
end
-- A conversation may go on for weeks without a change of its document.
if open == '1' then
  for index = 1, 4 do redis.call('PEXPIRE', KEYS[index], ARGV[6]) end
  for instance in string.gmatch(instances, '%S+') do redis.call('PEXPIRE', KEYS[5] .. instance, ARGV[6]) end
end
if version ~= ARGV[3] or warned ~= ARGV[4] or (ARGV[5] ~= '' and (active ~= ARGV[5] or open ~= '1')) then
  redis.call('ZADD', KEYS[1], 'XX', '0', ARGV[1])
  return 0
end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[2], 'warned', '1') end
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1])
return 1
