<?php
// The program of phpredis, see `run`. A client connects again to its own address, so the program
// connects to the next server itself.
$ports = array_slice($argv, 1);
$failed = 0;

function connected($port)
{
    $client = new Redis();
    $client->connect('127.0.0.1', (int)$port, 1.0);
    $client->setOption(Redis::OPT_READ_TIMEOUT, 1);
    $client->setOption(Redis::OPT_MAX_RETRIES, 0);
    return $client;
}

$client = null;
$get = function ($key, $tries = 20) use (&$client, &$ports, &$failed, &$get) {
    try {
        $client = $client ?? connected($ports[0]);
        return $client->get($key);
    } catch (RedisException $error) {
        $failed++;
        $client = null;
        $ports[] = array_shift($ports);
        if ($tries === 1) {
            throw $error;
        }
        return $get($key, $tries - 1);
    }
};

while (($line = fgets(STDIN)) !== false) {
    $failed = 0;
    $values = array_map(fn ($key) => $get($key), json_decode($line, true)['keys']);
    echo json_encode([$values, $failed]), "\n";
}
