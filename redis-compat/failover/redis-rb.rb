# The program of redis-rb, see `run`. A client connects to one address, so the program has a client
# for each server.
require 'json'
require 'redis'

clients = ARGV.map { |port| Redis.new(port: port.to_i, timeout: 1, reconnect_attempts: 0) }
failed = 0

get = lambda do |key, tries = 20|
  clients[0].get(key)
rescue Redis::BaseConnectionError
  failed += 1
  clients.rotate!
  raise if tries == 1

  get.call(key, tries - 1)
end

$stdout.sync = true
$stdin.each_line do |line|
  failed = 0
  values = JSON.parse(line)['keys'].map { |key| get.call(key) }
  puts JSON.generate([values, failed])
end
