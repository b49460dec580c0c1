-- The session that is to be made with an idempotency key: the first one that asks, until it is known that it was not made.
--
-- KEYS  1 key
-- ARGV  1 now or ''  2 session  3 how long it may take to make it, ms  4 life of the claim, ms
--       5 claim that was found to be empty, '' for none
-- Gives { 1, time by which the session must be made }, or { 0, claim, session of it, its time, now }
local now = clock(ARGV[1])
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[5] then
  local session, by = string.match(held, '^(%S+) (%d+)$')
  return { 0, held, session, tonumber(by), now }
end
local by = now + tonumber(ARGV[3])
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. text(by), 'PX', ARGV[4])
return { 1, by }
