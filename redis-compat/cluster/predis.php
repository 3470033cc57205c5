<?php
// The program of Predis, see `run`.
error_reporting(E_ALL & ~E_DEPRECATED); // Predis 1 is older than PHP 8
require 'Predis/Autoloader.php';
Predis\Autoloader::register();
$client = null;

$methods = [
    'connect' => function ($asked) use (&$client) {
        $client = new Predis\Client(["tcp://127.0.0.1:{$asked['port']}"], ['cluster' => 'redis']);
        $client->getConnection()->askSlotsMap();
        return true;
    },
    'get' => function ($asked) use (&$client) {
        return array_map(fn ($key) => $client->get($key), $asked['keys']);
    },
    'pipeline' => function ($asked) use (&$client) {
        return $client->pipeline(function ($requests) use ($asked) {
            foreach ($asked['keys'] as $key) {
                $requests->get($key);
            }
        });
    },
    'mget' => function ($asked) use (&$client) {
        return $client->mget($asked['keys']);
    },
    'request' => function ($asked) use (&$client) {
        return $client->getClientFor("127.0.0.1:{$asked['port']}")->mget($asked['keys']);
    },
];
while (($line = fgets(STDIN)) !== false) {
    $asked = json_decode($line, true);
    try {
        $said = $methods[$asked['do']]($asked);
    } catch (Exception $error) {
        $said = ['error' => $error->getMessage()];
    }
    echo json_encode($said), "\n";
}
