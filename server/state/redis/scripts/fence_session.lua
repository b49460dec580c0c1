-- Counts those who are putting a session back: as long as there is one, nothing is added to it and nothing of it changes.
-- Of one that died the count stays, so that whoever is refused because of it puts the session back.
--
-- KEYS  1 flat fields
-- ARGV  1 epoch  2 how many more; below zero by one who is done, or gave up before anything came of it
-- Gives 1, or 0 when the session is under another epoch, or gone
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
if redis.call('HINCRBY', KEYS[1], 'rb', ARGV[2]) <= 0 then redis.call('HDEL', KEYS[1], 'rb') end
return 1
