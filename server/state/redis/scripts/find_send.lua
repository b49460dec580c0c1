-- Whether that participant sent that id before.
--
-- KEYS  1 flat fields  2 known sends, without the number of the window
-- ARGV  1 now or ''  2 seat  3 message id  4 fingerprint  5 retry horizon, ms
-- Gives { 'duplicate', seq, sent at, epoch, durable seq } or { 'reused' | 'unknown' | 'none' }; none: no such session
local now, horizon = clock(ARGV[1]), tonumber(ARGV[5])
local flat = redis.call('HMGET', KEYS[1], 'epoch', 'dseq', 'sw')
if not flat[1] then return { 'none' } end
local send, window = ARGV[2] .. ':' .. ARGV[3], math.floor(now / horizon)
local known = redis.call('HGET', KEYS[2] .. text(window), send)
  or redis.call('HGET', KEYS[2] .. text(window - 1), send)
  or send_ahead(KEYS[2], flat[3], window, send)
if not known then return { 'unknown' } end
local first, at, content = string.match(known, '^(%d+) (%d+) (.*)$')
if tonumber(at) < now - horizon then return { 'unknown' } end
if content ~= ARGV[4] then return { 'reused' } end
return { 'duplicate', tonumber(first), tonumber(at), tonumber(flat[1]), tonumber(flat[2]) }
