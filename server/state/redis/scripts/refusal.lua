-- Stands in front of scripts that take points of several limits.

-- How long one who wants a point now has to wait, in ms; 0: there is room. What is refused blocks the bucket from then on,
-- unless it is blocked already. `place`: of the oldest of as many points as there are, from the end. Without a block
-- nobody looks for one.
local function refusal(bucket, blocked_key, place, duration, block, now)
  local oldest = redis.call('LINDEX', bucket, place)
  local wait = oldest and tonumber(oldest) + duration - now or 0
  if block == 0 then return wait > 0 and wait or 0 end
  local blocked = tonumber(redis.call('GET', blocked_key) or '0') - now
  if wait > 0 and blocked <= 0 then
    -- A full memory takes no note of it: the refusal stands all the same.
    redis.pcall('SET', blocked_key, text(now + block), 'PX', text(block))
    blocked = block
  end
  -- A block may be shorter than the window.
  return math.max(wait, blocked, 0)
end
