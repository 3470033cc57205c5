<?php
// The program of phpredis, see `run`.
$client = null;

// Returns the reply, or throws the error that the server has sent. phpredis returns false for an
// error, and also for an absent key.
function checked($reply)
{
    global $client;
    $error = $client->getLastError();
    $client->clearLastError();
    if ($error !== null) {
        throw new RedisException($error);
    }
    return $reply;
}

// Returns values in base64, with null for an absent key.
function encoded($values)
{
    return array_map(fn ($value) => $value === false ? null : base64_encode($value), $values);
}

function connected($asked)
{
    $made = new Redis();
    if (isset($asked['path'])) {
        $made->connect($asked['path']);
    } else {
        $made->connect('127.0.0.1', $asked['port']);
    }
    $made->setOption(Redis::OPT_READ_TIMEOUT, 15);
    $made->setOption(Redis::OPT_REPLY_LITERAL, true); // "OK" instead of true
    return $made;
}

// Sends GETs in a pipeline or a transaction.
function together($requests, $keys)
{
    foreach ($keys as $key) {
        $requests->get($key);
    }
    return encoded(checked($requests->exec()));
}

$place = null;
$methods = [
    'connect' => function ($asked) use (&$client, &$place) {
        $place = $asked;
        $client = connected($asked);
        if (isset($asked['user'])) {
            $client->auth([$asked['user'], $asked['password']]);
        } elseif (isset($asked['password'])) {
            $client->auth($asked['password']);
        }
        return checked($client->get('x')) === false;
    },
    'get' => function ($asked) use (&$client) {
        return encoded(array_map(fn ($key) => checked($client->get($key)), $asked['keys']));
    },
    'mget' => function ($asked) use (&$client) {
        return encoded(checked($client->mget($asked['keys'])));
    },
    'pipeline' => function ($asked) use (&$client) {
        return together($client->pipeline(), $asked['keys']);
    },
    'transaction' => function ($asked) use (&$client) {
        return together($client->multi(), $asked['keys']);
    },
    'mixed' => function ($asked) use (&$client) {
        [$first, $last] = $asked['keys'];
        return checked($client->pipeline()->get($first)->set('a', 'b')->get($last)->exec());
    },
    'call' => function ($asked) use (&$client) {
        return checked($client->rawCommand(...$asked['words']));
    },
    'scan' => function ($asked) use (&$client) {
        $client->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
        $found = [];
        $cursor = null;
        while ($some = $client->scan($cursor, $asked['match'], $asked['count'])) {
            array_push($found, ...$some);
        }
        return $found;
    },
    // A subscribed connection can only be closed, so it is another one.
    'subscribe' => function ($asked) use (&$place) {
        $got = null;
        $subscriber = connected($place);
        try {
            if (isset($asked['channel'])) {
                $subscriber->subscribe([$asked['channel']],
                    function ($subscriber, $channel, $message) use (&$got) {
                        $got = [$channel, $message];
                        $subscriber->close();
                    });
            } else {
                $subscriber->psubscribe([$asked['pattern']],
                    function ($subscriber, $pattern, $channel, $message) use (&$got) {
                        $got = [$channel, $message];
                        $subscriber->close();
                    });
            }
        } catch (RedisException $error) {
            if ($got === null) {
                throw $error;
            }
        }
        return $got;
    },
];
while (($line = fgets(STDIN)) !== false) {
    $asked = json_decode($line, true);
    try {
        $said = $methods[$asked['do']]($asked);
    } catch (RedisException $error) {
        $said = ['error' => $error->getMessage()];
        $client->clearLastError();
    }
    echo json_encode($said), "\n";
}
