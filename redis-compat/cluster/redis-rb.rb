# The program of redis-rb, see `run`.
require 'json'
require 'redis'

client = nil
methods = {
  'connect' => lambda do |asked|
    client&.close
    node = "redis://127.0.0.1:#{asked['port']}"
    client = Redis.new(cluster: [node], replica: asked['replicas'])
    client.ping == 'PONG'
  end,
  'get' => ->(asked) { asked['keys'].map { |key| client.get(key) } },
  'pipeline' => lambda do |asked|
    client.pipelined { |requests| asked['keys'].each { |key| requests.get(key) } }
  end,
  'mget' => ->(asked) { client.mget(*asked['keys']) },
  'request' => ->(asked) { client.mget(*asked['keys']) }
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
