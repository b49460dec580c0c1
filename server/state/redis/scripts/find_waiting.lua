-- Which of several indexes have something whose time has come.
--
-- KEYS  indexes
-- ARGV  1 now or ''
-- Gives { number of an index … }
local now, found = text(clock(ARGV[1])), {}
for index, key in ipairs(KEYS) do
  if redis.call('ZCOUNT', key, '-inf', now) > 0 then found[#found + 1] = index end
end
return found
