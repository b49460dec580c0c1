-- Appends messages, or recognises them: the one round trip of a send. Those that come in one turn come together, one
-- after the other in their order. Of each everything is decided before anything is written, and its first write is one
-- that Redis refuses when its memory is full, so a refusal changes nothing.
--
-- Calls of Redis for an accepted message: five, two for each limit, and one publish to each other instance. Once for all
-- of a call: the time, and for each partition and each limit what is the same for all. Rarely more: the first message of a
-- session or of a window of time, the first since the archive was complete, the first after a warning, all of a window
-- while sends of the window before may be repeated, and one in sixteen for each limit.
--
-- KEYS  of each message: flat fields of the session, buckets of limits. The other keys of the session and its partition
--       lie in the slot of the first, and are spelled from it: each key costs the caller more than it costs here
-- ARGV  1 now or ''  2 instance of the caller  3 retry horizon, ms  4 idle warning, ms  5 life of a key, ms
--       6 command that publishes  7 channel, without the instance
--       then of each message two. First, with a space between: session, seat, generation, message id, fingerprint, highest
--       seq that the caller knows of, trace or -, count of limits, and of each points, duration and block in ms: one text,
--       because each argument costs the caller more than all that is in it. Then the message as JSON that is open at its end
-- Gives of each { 'appended', seq, sent at, epoch, durable seq, version of the document },
--       { 'duplicate', seq, sent at, epoch, durable seq }, { 'limited', number of the limit, ms to wait },
--       { 'not_seated' | 'behind', epoch }, { 'none' | 'closed' | 'reused' }, or { 'failed', what Redis says of it }.
--       behind: something of the session is lost, or it is being put back
local HEAD = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%d+)(.*)$'

local now, instance, horizon, idle_ms, life = clock(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local publish, channel = ARGV[6], ARGV[7]
local window = math.floor(now / horizon)
local now_text, window_text, window_before = text(now), text(window), text(window - 1)
-- What a session notes of the newest window that it had a send in: whether there is one before it that had, too.
local AFTER_NONE, AFTER_ONE = window_text .. ':0', window_text .. ':1'
-- Of this call: by what stands for them in the head of a message, limits; buckets that live on; messages by partition.
local known_limits, living, appended = {}, {}, {}

-- As many as are said to be, or their keys would be those of others.
local function limits_of(count, rest)
  local limits = known_limits[rest]
  if not limits then
    limits = {}
    for points, duration, block in string.gmatch(rest, '(%d+) (%d+) (%d+)') do
      limits[#limits + 1] = { oldest = '-' .. points, duration = tonumber(duration), block = tonumber(block) }
    end
    known_limits[rest] = limits
  end
  return #limits == tonumber(count) and limits or nil
end

-- A repetition is answered although a full memory takes no note of the activity. What the server itself sends is none.
local function touch(call, flat_key, partition, session, seat, warned, ...)
  if seat == 'server' then
    if ... then call('HSET', flat_key, ...) end
  elseif warned == '1' then
    call('HSET', flat_key, 'act', now_text, 'warned', '0', ...)
    call('ZADD', partition .. ':due', 'LT', text(now + idle_ms), session)
  else
    call('HSET', flat_key, 'act', now_text, ...)
  end
end

local function refusing(key, limits)
  local limited, longest = 0, 0
  for index = 1, #limits do
    local limit, bucket = limits[index], KEYS[key + index]
    local blocked_key = limit.block > 0 and bucket .. ':block'
    local wait = refusal(bucket, blocked_key, limit.oldest, limit.duration, limit.block, now)
    if wait > longest then limited, longest = index, wait end
  end
  return limited, longest
end

local function count(key, limits)
  for index = 1, #limits do
    local bucket, duration = KEYS[key + index], limits[index].duration
    local length = redis.call('RPUSH', bucket, now_text)
    if not living[bucket] then
      redis.call('PEXPIRE', bucket, duration)
      living[bucket] = true
    end
    -- What no longer counts goes twenty at a time, and faster than it comes: no message pays for many.
    if length % 16 == 0 then
      local old = redis.call('LINDEX', bucket, 19)
      if old and tonumber(old) + duration <= now then redis.call('LTRIM', bucket, 20, -1) end
    end
  end
end

local function append(key, message, limits, session, seat, generation, id, fingerprint, seen, trace)
  local flat_key = KEYS[key]
  local flat = redis.call(
    'HMGET', flat_key, 'open', 'seq', 'epoch', 'dseq', 'warned', 'inst', 'seat:' .. seat, 'v', 'sw', 'rb'
  )
  if not flat[3] then return { 'none' } end
  local seq, epoch, durable = tonumber(flat[2]), tonumber(flat[3]), tonumber(flat[4])
  -- The key ends with :s: and the session.
  local partition = string.sub(flat_key, 1, -4 - #session)

  local send, all_sends = seat .. ':' .. id, partition .. ':i:' .. session .. ':'
  local sends = all_sends .. window_text
  local known = redis.call('HGET', sends, send)
  local newest = flat[9]
  if not known and newest ~= AFTER_NONE then
    known = redis.call('HGET', all_sends .. window_before, send)
    -- The clock was ahead, and has been set back, or it is that of another node.
    if not known and newest and newest ~= AFTER_ONE then known = send_ahead(all_sends, newest, window, send) end
  end
  if known then
    local first, sent_at, content = string.match(known, '^(%d+) (%d+) (.*)$')
    if tonumber(sent_at) >= now - horizon then
      if content ~= fingerprint then return { 'reused' } end
      if flat[1] == '1' then touch(redis.pcall, flat_key, partition, session, seat, flat[5]) end
      return { 'duplicate', tonumber(first), tonumber(sent_at), epoch, durable }
    end
  end
  if flat[1] ~= '1' then return { 'closed' } end
  -- Whatever is added from now on would not be put back with the rest.
  if flat[10] then return { 'behind', epoch } end
  -- The server itself has no seat.
  if seat ~= 'server' and flat[7] ~= generation then
    -- Generations only grow: the store has lost the resume that gave this one.
    local is_lost = flat[7] and tonumber(flat[7]) < tonumber(generation)
    return { is_lost and 'behind' or 'not_seated', epoch }
  end
  -- The store has lost what somebody saw already: a number given now would be given twice.
  if seq < tonumber(seen) then return { 'behind', epoch } end
  local limited, longest = refusing(key, limits)
  if limited > 0 then return { 'limited', limited, longest } end

  seq = seq + 1
  local seq_text = text(seq)
  redis.call('XADD', partition .. ':l:' .. session, seq_text .. '-0', 'a', now_text, 'm', message)
  local is_first = seq == durable + 1
  -- First of all, so that no message is stored and not looked for. Once for many: the mark stays until the archive has
  -- them. Now and then all the same, should it be lost.
  if is_first or seq % 32 == 0 then
    local unarchived = partition .. ':arch'
    if redis.call('ZADD', unarchived, 'NX', now_text, session) == 1 then redis.call('PEXPIRE', unarchived, life) end
  end
  -- The log may be new: the first message, or the first since all of them were archived or put back.
  if is_first then redis.call('PEXPIRE', partition .. ':l:' .. session, life) end
  redis.call('HSET', sends, send, seq_text .. ' ' .. now_text .. ' ' .. fingerprint)
  if newest == AFTER_NONE or newest == AFTER_ONE then
    touch(redis.call, flat_key, partition, session, seat, flat[5], 'seq', seq_text)
  else
    redis.call('PEXPIRE', sends, 2 * horizon)
    local note = redis.call('HLEN', all_sends .. window_before) > 0 and AFTER_ONE or AFTER_NONE
    if is_ahead(newest, window) then note = string.match(newest, '^%d+') .. ':1' end
    touch(redis.call, flat_key, partition, session, seat, flat[5], 'seq', seq_text, 'sw', note)
  end
  count(key, limits)
  appended[partition] = (appended[partition] or 0) + 1

  if flat[6] ~= '' and flat[6] ~= instance then
    -- A reader that knows nothing of traces takes this for the session, and never looks.
    local subject = trace == '-' and session or session .. ';' .. trace
    local packet = table.concat({ text(epoch), seq_text, now_text, generation, seat, subject, message }, ' ')
    for other in string.gmatch(flat[6], '%S+') do
      if other ~= instance then redis.call(publish, channel .. other, packet) end
    end
  end
  return { 'appended', seq, now, epoch, durable, tonumber(flat[8]) }
end

local answers, key, failure = {}, 1, nil
for at = 8, #ARGV, 2 do
  local session, seat, generation, id, fingerprint, seen, trace, expected, rest = string.match(ARGV[at], HEAD)
  local limits = limits_of(expected, rest or '')
  if not limits then
    failure = 'ERR the head of a message cannot be read'
    break
  end
  local is_done, answer =
    pcall(append, key, ARGV[at + 1], limits, session, seat, generation, id, fingerprint, seen, trace)
  if not is_done then
    -- Redis 6 gives text, with the place in front.
    local refusal = type(answer) == 'table' and answer.err or string.match(answer, '(%u%u+ .*)$') or answer
    -- No primary any more: that is no matter of one message, and such a one has written nothing. Whatever else it is
    -- concerns this message alone: were all of them asked again, those that were sent after them would overtake them.
    if string.sub(refusal, 1, 8) == 'READONLY' then
      failure = refusal
      break
    end
    answer = { 'failed', refusal }
  end
  answers[#answers + 1] = answer
  key = key + 1 + #limits
end
-- What is written was not refused for want of memory, so neither is this.
for partition, messages in pairs(appended) do
  redis.call('HINCRBY', partition .. ':counts', 'backlog', messages)
  redis.call('PEXPIRE', partition .. ':counts', life)
end
return failure and redis.error_reply(failure) or answers
