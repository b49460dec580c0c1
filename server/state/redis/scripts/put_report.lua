-- Keeps what an instance tells of itself; gives nothing.
--
-- KEYS  1 reports: of each instance the time of its last report, a blank, and the report
-- ARGV  1 instance  2 time of the deployment, ms  3 report
--       4 how long a report is kept, ms  5 of how many instances  6 '1': those that are too old are removed
local instance, now, lifeMs, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(ARGV[5])
redis.call('HSET', KEYS[1], instance, ARGV[2] .. ' ' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], lifeMs)
local count = redis.call('HLEN', KEYS[1])
-- All of them are read now and then, not with every report: two hundred of them are some hundred kB.
if ARGV[6] ~= '1' and count <= most then return 0 end
local fields = redis.call('HGETALL', KEYS[1])
local kept = {}
for index = 1, #fields, 2 do
  local at = tonumber(string.match(fields[index + 1], '^(%d+) ')) or 0
  if at + lifeMs <= now then
    redis.call('HDEL', KEYS[1], fields[index])
  else
    kept[#kept + 1] = { at, fields[index] }
  end
end
table.sort(kept, function(one, other) return one[1] < other[1] end)
for index = 1, #kept - most do redis.call('HDEL', KEYS[1], kept[index][2]) end
return 0
