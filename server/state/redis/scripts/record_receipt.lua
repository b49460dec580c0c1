-- What a participant has received and read: cumulative, never back.
--
-- KEYS  1 flat fields  2 sessions to archive
-- ARGV  1 now or ''  2 session  3 seat  4 generation  5 delivered  6 read; 0 where nothing is said  7 life of a key, ms
-- Gives { 'recorded', delivered, read, 1 when it changed anything }, { 'above', seq }, { 'closed' | 'not_seated' }, or
--       { 'rebuilding' } while the session is put back without what is said now
local now = clock(ARGV[1])
local flat = redis.call('HMGET', KEYS[1], 'open', 'seq', 'seat:' .. ARGV[3], 'r:' .. ARGV[3], 'rb')
if not flat[3] or flat[3] ~= ARGV[4] then return { 'not_seated' } end
if flat[1] ~= '1' then return { 'closed' } end
if flat[5] then return { 'rebuilding' } end
local delivered, read = string.match(flat[4] or '0 0', '^(%d+) (%d+)$')
delivered, read = tonumber(delivered), tonumber(read)
local reads = math.max(read, tonumber(ARGV[6]))
local delivers = math.max(delivered, tonumber(ARGV[5]), reads)
if delivers > tonumber(flat[2]) then return { 'above', tonumber(flat[2]) } end
if delivers == delivered and reads == read then return { 'recorded', delivered, read, 0 } end
redis.call('HSET', KEYS[1], 'r:' .. ARGV[3], text(delivers) .. ' ' .. text(reads))
if redis.call('ZADD', KEYS[2], 'NX', text(now), ARGV[2]) == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[7]) end
return { 'recorded', delivers, reads, 1 }
