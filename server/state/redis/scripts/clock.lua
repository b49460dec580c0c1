-- Begins every script that needs the time.

-- Unix milliseconds: those of Redis, because instances' clocks differ; a test gives its own.
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Lua would write a time as 1.7e+12.
local function text(number)
  return string.format('%.0f', number)
end
