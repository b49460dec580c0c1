-- Which sessions have another document than the archive. Nothing is taken.
--
-- KEYS  sessions to archive, of each partition
-- ARGV  1 most of them looked at in a partition  2… what the flat fields of the sessions of each partition begin with
-- Gives { session … }
local found = {}
for index, key in ipairs(KEYS) do
  -- The last ones marked: what has been waiting for long is being archived, or is refused.
  for _, session in ipairs(redis.call('ZREVRANGE', key, 0, tonumber(ARGV[1]) - 1)) do
    local flat = redis.call('HMGET', ARGV[index + 1] .. session, 'v', 'arc')
    if flat[1] and flat[1] ~= string.match(flat[2] or '', '^%d+') then found[#found + 1] = session end
  end
end
return found
