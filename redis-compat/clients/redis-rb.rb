# The program of redis-rb, see `run`.
require 'json'
require 'redis'

client = nil

# Returns values in base64.
def encoded(values)
  values.map { |value| value && [value].pack('m0') }
end

methods = {
  'connect' => lambda do |asked|
    client&.close
    place = asked['path'] ? { path: asked['path'] } : { host: '127.0.0.1', port: asked['port'] }
    client = Redis.new(**place, username: asked['user'], password: asked['password'], timeout: 15)
    client.get('x').nil?
  end,
  'get' => ->(asked) { encoded(asked['keys'].map { |key| client.get(key) }) },
  'mget' => ->(asked) { encoded(client.mget(*asked['keys'])) },
  'pipeline' => lambda do |asked|
    encoded(client.pipelined { |requests| asked['keys'].each { |key| requests.get(key) } })
  end,
  'transaction' => lambda do |asked|
    encoded(client.multi { |requests| asked['keys'].each { |key| requests.get(key) } })
  end,
  'mixed' => lambda do |asked|
    before, after = asked['keys']
    client.pipelined do |requests|
      requests.get(before)
      requests.set('a', 'b')
      requests.get(after)
    end
  end,
  'call' => ->(asked) { client.call(*asked['words']) },
  'scan' => ->(asked) { client.scan_each(match: asked['match'], count: asked['count']).to_a },
  'subscribe' => lambda do |asked|
    got = nil
    if asked['channel']
      client.subscribe(asked['channel']) do |on|
        on.message do |channel, message|
          got = [channel, message]
          client.unsubscribe
        end
      end
    else
      client.psubscribe(asked['pattern']) do |on|
        on.pmessage do |_, channel, message|
          got = [channel, message]
          client.punsubscribe
        end
      end
    end
    got
  end
}

$stdout.sync = true
$stdin.each_line do |line|
  asked = JSON.parse(line)
  begin
    said = methods[asked['do']].call(asked)
  rescue Redis::BaseError => e
    said = { error: "#{e.class}: #{e.message}" }
  end
  puts JSON.generate(said)
end
