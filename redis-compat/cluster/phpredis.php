<?php
// The program of phpredis, see `run`.
$client = null;

// Returns values with null in place of false, which stands for a key without a value.
function nulls($values)
{
    if ($values === false) {
        throw new RedisClusterException('no reply');
    }
    return array_map(fn ($value) => $value === false ? null : $value, $values);
}

$methods = [
    'connect' => function ($asked) use (&$client) {
        $client = new RedisCluster(null, ["127.0.0.1:{$asked['port']}"]);
        if (!empty($asked['replicas'])) {
            $client->setOption(RedisCluster::OPT_SLAVE_FAILOVER,
                RedisCluster::FAILOVER_DISTRIBUTE_SLAVES);
        }
        return true;
    },
    'get' => function ($asked) use (&$client) {
        return nulls(array_map(fn ($key) => $client->get($key), $asked['keys']));
    },
    'mget' => function ($asked) use (&$client) {
        return nulls($client->mget($asked['keys']));
    },
    'request' => function ($asked) use (&$client) {
        return nulls($client->rawCommand(['127.0.0.1', $asked['port']], 'MGET', ...$asked['keys']));
    },
];
while (($line = fgets(STDIN)) !== false) {
    $asked = json_decode($line, true);
    try {
        $said = $methods[$asked['do']]($asked);
    } catch (RedisClusterException $error) {
        $said = ['error' => $error->getMessage()];
    }
    echo json_encode($said), "\n";
}
