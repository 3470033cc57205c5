# The program of redis-rb, see `run`.
require 'redis'

path, address = ARGV
requests, each = ARGV[2..].map(&:to_i)
records = File.binread(path).split("\n".b).map { |line| [line[0, 36], line[37..]] }
count = records.length
place = address.start_with?('/') ? { path: address } : { host: '127.0.0.1', port: address.to_i }
# `run` limits the time.
client = Redis.new(**place, timeout: 3600, reconnect_attempts: 0)

replies = client.pipelined do |pipeline|
  requests.times do |i|
    if each == 1
      pipeline.get(records[i % count][0])
    else
      pipeline.mget((i * each...(i + 1) * each).map { |j| records[j % count][0] })
    end
  end
end
right = replies.flatten.each_with_index.count { |value, i| value&.b == records[i % count][1] }
puts "right #{right}"
