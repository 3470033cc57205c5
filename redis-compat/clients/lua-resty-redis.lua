-- The program of lua-resty-redis, see `run`. nginx runs it for each question, which is the body of
-- a request. Each question takes a connection from the pool of nginx, and gives it back.
local json = require "cjson"
local resty = require "nginx.redis" -- the name that Debian gives to resty.redis

-- Raises an error if the first value is nil or false.
local function checked(value, problem)
    if not value then
        error({ text = problem or "no reply" })
    end
    return value
end

ngx.req.read_body()
local asked = json.decode(ngx.req.get_body_data())
-- The last question `connect`. The table of a module lasts from one question to the next.
local state = package.loaded["stele.state"] or {}
package.loaded["stele.state"] = state

local function connected()
    local place = state.place
    local client = checked(resty:new())
    client:set_timeout(15000)
    -- Connections of another server or user must not come from the pool.
    local pool = { pool = state.name }
    if place.path then
        checked(client:connect("unix:" .. place.path, pool))
    else
        checked(client:connect("127.0.0.1", place.port, pool))
    end
    if place.password and client:get_reused_times() == 0 then
        if place.user then
            checked(client:auth(place.user, place.password))
        else
            checked(client:auth(place.password))
        end
    end
    return client
end

-- Returns values in base64. The library returns ngx.null for an absent key.
local function encoded(values)
    local found = {}
    for i, value in ipairs(values) do
        found[i] = value == ngx.null and json.null or ngx.encode_base64(value)
    end
    return found
end

local function get(client, keys)
    local values = {}
    for i, key in ipairs(keys) do
        values[i] = checked(client:get(key))
    end
    return encoded(values)
end

-- Four light threads, each of which takes a connection for each key.
local function pooled(keys)
    local values, threads = {}, {}
    local function some(first)
        for i = first, #keys, 4 do
            local client = connected()
            values[i] = checked(client:get(keys[i]))
            checked(client:set_keepalive(10000, 4))
        end
    end
    for first = 1, 4 do
        threads[first] = ngx.thread.spawn(some, first)
    end
    for _, thread in ipairs(threads) do
        local done, problem = ngx.thread.wait(thread)
        if not done then
            error(problem)
        end
    end
    return encoded(values)
end

local methods = {
    connect = function(client)
        return checked(client:get("x")) == ngx.null
    end,
    get = function(client)
        return get(client, asked.keys)
    end,
    mget = function(client)
        return encoded(checked(client:mget(unpack(asked.keys))))
    end,
    pipeline = function(client)
        client:init_pipeline(#asked.keys)
        for _, key in ipairs(asked.keys) do
            client:get(key)
        end
        return encoded(checked(client:commit_pipeline()))
    end,
    transaction = function(client)
        checked(client:multi())
        for _, key in ipairs(asked.keys) do
            checked(client:get(key))
        end
        return encoded(checked(client:exec()))
    end,
    mixed = function(client)
        client:init_pipeline()
        client:get(asked.keys[1])
        client:set("a", "b")
        client:get(asked.keys[2])
        local replies = checked(client:commit_pipeline())
        local values = encoded({ replies[1], replies[3] })
        return { values[1], { error = replies[2][2] }, values[2] }
    end,
    call = function(client)
        local words = asked.words
        return checked(client[words[1]:lower()](client, unpack(words, 2)))
    end,
    scan = function(client)
        local found, cursor = {}, "0"
        repeat
            local reply = checked(client:scan(cursor, "MATCH", asked.match, "COUNT", asked.count))
            cursor = reply[1]
            for _, key in ipairs(reply[2]) do
                found[#found + 1] = key
            end
        until cursor == "0"
        return found
    end,
    subscribe = function(client)
        local pattern = asked.channel == nil
        if pattern then
            checked(client:psubscribe(asked.pattern))
        else
            checked(client:subscribe(asked.channel))
        end
        local message = checked(client:read_reply())
        if pattern then
            checked(client:punsubscribe(asked.pattern))
            return { message[3], message[4] }
        end
        checked(client:unsubscribe(asked.channel))
        return { message[2], message[3] }
    end,
}

if asked["do"] == "connect" then
    state.place = asked
    state.number = (state.number or 0) + 1
    state.name = "pool " .. state.number
end
local done, said = pcall(function()
    if asked["do"] == "pool" then
        return pooled(asked.keys)
    end
    local client = connected()
    local answer = methods[asked["do"]](client)
    checked(client:set_keepalive(10000, 4))
    return answer
end)
if not done then
    said = { error = type(said) == "table" and said.text or tostring(said) }
end
ngx.print(json.encode(said))
