-- How many sessions are set aside.
--
-- KEYS  sessions set aside, of each partition
-- Gives their number
local count = 0
for _, key in ipairs(KEYS) do count = count + redis.call('HLEN', key) end
return count
