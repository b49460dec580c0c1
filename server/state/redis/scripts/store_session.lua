-- Stores a session's document, if nobody stored another since it was read.
--
-- KEYS  1 document  2 flat fields  3 log  4 deadlines  5 sessions to archive  6 counts of the partition
--       7 seats that ended and are not archived  8 sessions of an instance, without the instance
-- ARGV  1 now or ''  2 version that was read, 0 for a new session  3 head that must stand, '' for any
--       4 document  5 life of the keys, ms  6 next deadline, '' for none  7 'lasting' or 'passing'
--       8 changes of the counts, JSON object  9 flat fields, JSON array of names and values  10 names of those to remove
--       11 ended seats, JSON array of texts  12 instances that hold a seat now  13 those that don't any more
--       14 session  15 time after which a new session is no longer to be made, '' for none  16 idle warning, ms
-- Gives { 1, version, seq, durable seq, last activity, { counts … } }, or { 0 } when another version or head stands, or
--       the session is open and being put back, or { -1 } when it was too late
local now = clock(ARGV[1])
local version, seq, warned, active, open, rebuilders =
  unpack(redis.call('HMGET', KEYS[2], 'v', 'seq', 'warned', 'act', 'open', 'rb'))
if (version or '0') ~= ARGV[2] or (open == '1' and rebuilders) then return { 0 } end
if ARGV[3] ~= '' and (seq or '0') ~= ARGV[3] then return { 0 } end
if ARGV[15] ~= '' and now > tonumber(ARGV[15]) then return { -1 } end

redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
local fields = cjson.decode(ARGV[9])
local next_version = tonumber(ARGV[2]) + 1
fields[#fields + 1] = 'v'
fields[#fields + 1] = text(next_version)
if ARGV[2] == '0' then
  for _, field in ipairs({ 'seq', '0', 'dseq', '0', 'act', text(now), 'warned', '0' }) do
    fields[#fields + 1] = field
  end
end
redis.call('HSET', KEYS[2], unpack(fields))
local gone = cjson.decode(ARGV[10])
if #gone > 0 then redis.call('HDEL', KEYS[2], unpack(gone)) end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('PEXPIRE', KEYS[3], ARGV[5])

if ARGV[6] == '' then
  redis.call('ZREM', KEYS[4], ARGV[14])
else
  local deadline = tonumber(ARGV[6])
  -- Somebody may have spoken since the deadline was computed, which took the warning back.
  if warned == '0' then deadline = math.min(deadline, tonumber(active) + tonumber(ARGV[16])) end
  redis.call('ZADD', KEYS[4], text(deadline), ARGV[14])
  redis.call('PEXPIRE', KEYS[4], ARGV[5])
end
for _, instance in ipairs(cjson.decode(ARGV[12])) do
  redis.call('SADD', KEYS[8] .. instance, ARGV[14])
  redis.call('PEXPIRE', KEYS[8] .. instance, ARGV[5])
end
for _, instance in ipairs(cjson.decode(ARGV[13])) do redis.call('SREM', KEYS[8] .. instance, ARGV[14]) end
local ended = cjson.decode(ARGV[11])
if #ended > 0 then
  redis.call('RPUSH', KEYS[7], unpack(ended))
  redis.call('PEXPIRE', KEYS[7], ARGV[5])
end
if ARGV[7] == 'lasting' then
  redis.call('ZADD', KEYS[5], 'NX', text(now), ARGV[14])
  redis.call('PEXPIRE', KEYS[5], ARGV[5])
end
for name, change in pairs(cjson.decode(ARGV[8])) do
  if change ~= 0 then redis.call('HINCRBY', KEYS[6], name, change) end
end
redis.call('PEXPIRE', KEYS[6], ARGV[5])
local flat = redis.call('HMGET', KEYS[2], 'seq', 'dseq', 'act')
return { 1, next_version, tonumber(flat[1]), tonumber(flat[2]), tonumber(flat[3]), redis.call('HGETALL', KEYS[6]) }
