-- Appends a message, or recognises it: the one round trip of a send. Decides everything before it writes anything, and
-- its first write is one that Redis refuses when its memory is full, so a refusal changes nothing.
--
-- Calls of Redis for an accepted message: nine, four for each limit, one publish to each other instance, and TIME. Rarely
-- more: with the first message of a session or of a window of time, the first since the archive was complete, and the
-- first after a warning.
--
-- KEYS  1 flat fields of the session  2 log  3 known sends, without the number of the window  4 deadlines
--       5 sessions to archive  6 counts of the partition  7… buckets of limits
-- ARGV  1 now or ''  2 session  3 instance of the caller  4 seat  5 generation  6 message id  7 fingerprint
--       8 message as JSON, open at its end  9 retry horizon, ms  10 idle warning, ms  11 life of a key, ms
--       12 command that publishes  13 channel, without the instance  14 highest seq that the caller knows of
--       15… points and duration in ms of each limit, and behind them all the trace, of a message that has one
-- Gives { 'appended', seq, sent at, epoch, durable seq, version of the document },
--       { 'duplicate', seq, sent at, epoch, durable seq }, { 'limited', number of the limit, ms to wait },
--       { 'not_seated' | 'behind', epoch }, or { 'none' | 'closed' | 'reused' }
local now = clock(ARGV[1])
local seat, id, fingerprint, horizon = ARGV[4], ARGV[6], ARGV[7], tonumber(ARGV[9])
local flat = redis.call('HMGET', KEYS[1], 'open', 'seq', 'epoch', 'dseq', 'warned', 'inst', 'seat:' .. seat, 'v')
if not flat[3] then return { 'none' } end
local seq, epoch, durable = tonumber(flat[2]), tonumber(flat[3]), tonumber(flat[4])

-- A repetition is answered although a full memory takes no note of the activity. What the server itself sends is none.
local function touch(call, ...)
  if seat == 'server' then
    if ... then call('HSET', KEYS[1], ...) end
    return
  end
  if flat[5] == '1' then
    call('HSET', KEYS[1], 'act', text(now), 'warned', '0', ...)
    call('ZADD', KEYS[4], 'LT', text(now + tonumber(ARGV[10])), ARGV[2])
  else
    call('HSET', KEYS[1], 'act', text(now), ...)
  end
end

local send, window = seat .. ':' .. id, math.floor(now / horizon)
local known = redis.call('HGET', KEYS[3] .. text(window), send) or redis.call('HGET', KEYS[3] .. text(window - 1), send)
if known then
  local first, at, content = string.match(known, '^(%d+) (%d+) (.*)$')
  if tonumber(at) >= now - horizon then
    if content ~= fingerprint then return { 'reused' } end
    if flat[1] == '1' then touch(redis.pcall) end
    return { 'duplicate', tonumber(first), tonumber(at), epoch, durable }
  end
end
if flat[1] ~= '1' then return { 'closed' } end
-- The server itself has no seat.
if seat ~= 'server' and flat[7] ~= ARGV[5] then return { 'not_seated', epoch } end
-- The store has lost what somebody saw already: a number given now would be given twice.
if seq < tonumber(ARGV[14]) then return { 'behind', epoch } end

local limited, longest = 0, 0
for index = 7, #KEYS do
  local points, duration = tonumber(ARGV[2 * index + 1]), tonumber(ARGV[2 * index + 2])
  local oldest = redis.call('LINDEX', KEYS[index], -points)
  local wait = oldest and tonumber(oldest) + duration - now or 0
  if wait > longest then limited, longest = index - 6, wait end
end
if limited > 0 then return { 'limited', limited, longest } end

seq = seq + 1
redis.call('XADD', KEYS[2], text(seq) .. '-0', 'a', text(now), 'm', ARGV[8])
-- The log may be new: the first message, or the first since all of them were archived or put back.
if seq == durable + 1 then redis.call('PEXPIRE', KEYS[2], ARGV[11]) end
touch(redis.call, 'seq', text(seq))
local sends = KEYS[3] .. text(window)
redis.call('HSET', sends, send, text(seq) .. ' ' .. text(now) .. ' ' .. fingerprint)
if redis.call('HLEN', sends) == 1 then redis.call('PEXPIRE', sends, 2 * horizon) end
for index = 7, #KEYS do
  local duration = tonumber(ARGV[2 * index + 2])
  redis.call('RPUSH', KEYS[index], text(now))
  -- Two for one: the list shrinks to what still counts, and no message pays for many.
  for _ = 1, 2 do
    local oldest = redis.call('LINDEX', KEYS[index], 0)
    if tonumber(oldest) + duration > now then break end
    redis.call('LPOP', KEYS[index])
  end
  redis.call('PEXPIRE', KEYS[index], text(duration))
end
redis.call('HINCRBY', KEYS[6], 'backlog', 1)
-- Once for many messages: the mark stays until the archive has them.
if redis.call('ZADD', KEYS[5], 'NX', text(now), ARGV[2]) == 1 then
  redis.call('PEXPIRE', KEYS[5], ARGV[11])
  redis.call('PEXPIRE', KEYS[6], ARGV[11])
end

if flat[6] ~= '' and flat[6] ~= ARGV[3] then
  -- Points and duration come in pairs. A reader that knows nothing of traces takes this for the session, and never looks.
  local session = #ARGV % 2 == 1 and ARGV[2] .. ';' .. ARGV[#ARGV] or ARGV[2]
  local packet = table.concat({ text(epoch), text(seq), text(now), ARGV[5], seat, session, ARGV[8] }, ' ')
  for instance in string.gmatch(flat[6], '%S+') do
    if instance ~= ARGV[3] then redis.call(ARGV[12], ARGV[13] .. instance, packet) end
  end
end
return { 'appended', seq, now, epoch, durable, tonumber(flat[8]) }
