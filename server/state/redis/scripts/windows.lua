-- Stands in front of scripts that look for sends that are known.

-- Whether the newest window that a session had a send in, by its note, is later than this one: a clock is behind by then.
local function is_ahead(note, window)
  return note and tonumber(string.match(note, '^%d+')) > window
end

-- The send as it is known in a window that has not come yet; false when there is no such window.
local function send_ahead(sends, note, window, send)
  return is_ahead(note, window) and redis.call('HGET', sends .. string.match(note, '^%d+'), send)
end
