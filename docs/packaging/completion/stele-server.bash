# Completion of stele-server in bash. `make docs` writes this file from the table of options.

_stele_server()
{
    local current=$2 previous=$3 words= files= options=
    COMPREPLY=()
    [[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
    case $previous in
    --protected-mode) words='yes no' ;;
    --admin-commands) words='no local yes' ;;
    --enable-debug-command) words='no local yes' ;;
    --enable-shutdown-command) words='yes no' ;;
    --swap-tracking) words='push push+close' ;;
    --index) words='none' files=yes ;;
    --index-trust) words='proven sampled' ;;
    --index-pages) words='shared huge' ;;
    --lock-index) words='no auto yes' ;;
    --loglevel) words='debug verbose notice warning' ;;
    --key-forms) words='strict any' ;;
    --announce-role) words='master replica' ;;
    --write-error) words='readonly noperm err' ;;
    --cluster-enabled) words='yes no' ;;
    --cluster-crossslot) words='yes no' ;;
    --cluster-preferred-endpoint-type) words='ip hostname' ;;
    --unixsocket|--requirepass-file|--logfile|--cluster-config|--cluster-auth-file) return ;;
    --port|--bind|--unixsocketperm|--tcp-backlog|--proxy-protocol|--requirepass|--maxclients|--maxmemory-clients|--timeout|--request-timeout|--write-timeout|--threads|--read-threads|--reload-max-shrink|--reload-verify|--reload-verify-timeout|--index-verify|--build-memory|--redis-version|--key-prefix|--cluster-node|--cluster-node-timeout|--cluster-announce-ip|--cluster-announce-port) compopt +o default; return ;;
    esac
    options='
            --port --bind --unixsocket --unixsocketperm --tcp-backlog --proxy-protocol
            --protected-mode --requirepass --requirepass-file --admin-commands --enable-debug-command --enable-shutdown-command
            --maxclients --maxmemory-clients --timeout --request-timeout --write-timeout --threads --read-threads
            --skip-malformed --watch --reload-max-shrink --reload-verify --reload-verify-timeout --swap-tracking --index --index-trust --index-verify --index-pages --lock-index --build-memory
            --loglevel --logfile
            --redis-version --key-prefix --key-forms --announce-role --write-error --cluster-enabled --cluster-config --cluster-node --cluster-node-timeout --cluster-auth-file --cluster-crossslot --cluster-preferred-endpoint-type --cluster-announce-ip --cluster-announce-port
            --help --version'
    if [[ -z $words ]]; then
        [[ $current == -* ]] || return
        words=$options
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"
        [[ -z $files ]] || compgen -f -- "$current")
    [[ -z $files ]] || compopt -o filenames
}
complete -o default -F _stele_server stele-server
