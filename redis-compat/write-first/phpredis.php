<?php
// The program of phpredis, see `run`.
[, $path, $address, $requests, $each] = $argv;
$keys = $values = [];
foreach (explode("\n", file_get_contents($path)) as $line) {
    if ($line !== '') {
        $keys[] = substr($line, 0, 36);
        $values[] = substr($line, 37);
    }
}
$count = count($keys);
$client = new Redis();
if ($address[0] === '/') {
    $client->connect($address);
} else {
    $client->connect('127.0.0.1', (int)$address);
}
$client->setOption(Redis::OPT_READ_TIMEOUT, -1); // `run` limits the time

$pipeline = $client->pipeline();
for ($i = 0; $i < $requests; $i++) {
    if ($each == 1) {
        $pipeline->get($keys[$i % $count]);
        continue;
    }
    $asked = [];
    for ($j = $i * $each; $j < ($i + 1) * $each; $j++) {
        $asked[] = $keys[$j % $count];
    }
    $pipeline->mget($asked);
}
$replies = $pipeline->exec();
if ($replies === false) {
    exit(1); // it has told why
}
$right = 0;
foreach ($replies as $i => $reply) {
    foreach ($each == 1 ? [$reply] : $reply as $j => $value) {
        $right += $value === $values[($i * $each + $j) % $count] ? 1 : 0;
    }
}
echo "right $right\n";
