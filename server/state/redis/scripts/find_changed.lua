-- Which sessions have another document than the archive. Nothing is taken.
--
-- KEYS  sessions to archive, of each partition
-- ARGV  1 most of them looked at in a partition  2… what the flat fields of the sessions of each partition begin with
-- Gives { session … }
local found = {}
for index, key in ipairs(KEYS) do
  -- What waits, then what is being archived, then what is refused.
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', '+inf', 'LIMIT', 0, ARGV[1])) do
    local flat = redis.call('HMGET', ARGV[index + 1] .. session, 'v', 'arc')
    if flat[1] and flat[1] ~= string.match(flat[2] or '', '^%d+') then found[#found + 1] = session end
  end
end
return found
