-- Puts a session off that the archive refuses: its next try comes later with each that failed.
--
-- KEYS  1 sessions to archive  2 sessions set aside  3 flat fields
-- ARGV  1 now or ''  2 session  3 epoch, '' where nobody could read it  4 reason  5 first delay, ms  6 longest delay, ms
-- Gives 1 when it was not set aside before, or for another reason; 0 when it was; -1 when the session is another by now
local now = clock(ARGV[1])
local epoch = redis.call('HGET', KEYS[3], 'epoch') or '0'
if ARGV[3] ~= '' and epoch ~= ARGV[3] then return -1 end
-- First what Redis does also when its memory is full: the rest is then allowed.
local life = math.max(redis.call('PTTL', KEYS[1]), redis.call('PTTL', KEYS[2]), redis.call('PTTL', KEYS[3]))
redis.call('ZREM', KEYS[1], ARGV[2])
local held = redis.call('HGET', KEYS[2], ARGV[2]) or ''
local held_epoch, tries, due, reason = string.match(held, '^(%d+) (%d+) (%d+) (.*)$')
tries, due = tonumber(tries), tonumber(due)
if held_epoch ~= epoch then tries, due, reason = 0, 0, nil end
-- Another archiver may have tried the same at the same time: that was one try.
if due <= now then
  tries = tries + 1
  due = now + math.min(tonumber(ARGV[6]), tonumber(ARGV[5]) * 2 ^ math.min(tries - 1, 30))
end
redis.call('HSET', KEYS[2], ARGV[2], table.concat({ epoch, text(tries), text(due), ARGV[4] }, ' '))
-- What comes for it meanwhile finds this mark, and leaves its time as it is.
redis.call('ZADD', KEYS[1], text(due), ARGV[2])
life = text(math.max(life, due - now))
redis.call('PEXPIRE', KEYS[1], life)
redis.call('PEXPIRE', KEYS[2], life)
return reason == ARGV[4] and 0 or 1
