# Completion of stele in bash. `make docs` writes this file from the table of subcommands.

_stele()
{
    local current=$2 previous=$3 words= files= options=
    COMPREPLY=()
    [[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
    local subcommands='help version ask bench check diff export get import index merge metrics ping publish rollback sample scan sort split stats top unpin verify versions'
    if ((COMP_CWORD == 1)) && [[ $current == -* ]]; then
        options='--help --version'
    elif ((COMP_CWORD == 1)) || { ((COMP_CWORD == 2)) && [[ $previous == help ]]; }; then
        words=$subcommands
    fi
    case ${COMP_WORDS[1]} in
    ask)
        case $previous in
        --timeout) compopt +o default; return ;;
        esac
        options='--timeout --help'
        ;;
    bench)
        case $previous in
        --index) words='none' files=yes ;;
        esac
        options='--cold --index --help'
        ;;
    check)
        options='--all --index --strict --help'
        ;;
    diff)
        case $previous in
        --delta) return ;;
        --build-memory) compopt +o default; return ;;
        esac
        options='--stats --keys --delta --build-memory --help'
        ;;
    export)
        case $previous in
        --rdb) return ;;
        --key-prefix|--build-memory) compopt +o default; return ;;
        esac
        options='--rdb --key-prefix --build-memory --help'
        ;;
    get)
        options='--missing --help'
        ;;
    import)
        case $previous in
        --out) return ;;
        --db|--strip-prefix|--newline-as) compopt +o default; return ;;
        esac
        options='--out --db --keep-expiring --skip-others --strip-prefix --newline-as --help'
        ;;
    index)
        case $previous in
        --index) return ;;
        --build-memory) compopt +o default; return ;;
        esac
        options='--index --skip-malformed --build-memory --help'
        ;;
    merge)
        case $previous in
        --build-memory) compopt +o default; return ;;
        esac
        options='--build-memory --help'
        ;;
    metrics)
        case $previous in
        --textfile) return ;;
        --label|--timeout) compopt +o default; return ;;
        esac
        options='--textfile --label --timeout --help'
        ;;
    ping)
        case $previous in
        --timeout) compopt +o default; return ;;
        esac
        options='--timeout --any-reply --help'
        ;;
    publish)
        case $previous in
        --part-of) return ;;
        --version|--made-at|--keep|--max-shrink|--max-lost|--verify|--verify-timeout|--reload) compopt +o default; return ;;
        esac
        options='--version --made-at --keep --max-shrink --max-lost --verify --verify-timeout --link --move --part-of --reload --help'
        ;;
    rollback)
        case $previous in
        --reload) compopt +o default; return ;;
        esac
        options='--reload --help'
        ;;
    sample)
        case $previous in
        --seed|--build-memory) compopt +o default; return ;;
        esac
        options='--seed --build-memory --help'
        ;;
    scan)
        case $previous in
        --from|--to|--prefix|--limit) compopt +o default; return ;;
        esac
        options='--from --to --prefix --limit --help'
        ;;
    sort)
        case $previous in
        --build-memory) compopt +o default; return ;;
        esac
        options='--build-memory --help'
        ;;
    split)
        case $previous in
        --cluster|--nutcracker|--out) return ;;
        --by|--parts|--pool|--hash|--distribution|--servers|--digits|--node) compopt +o default; return ;;
        esac
        options='--by --cluster --parts --nutcracker --pool --hash --distribution --servers --digits --out --index --check --node --help'
        ;;
    stats)
        case $previous in
        --html) return ;;
        --build-memory) compopt +o default; return ;;
        esac
        options='--html --build-memory --help'
        ;;
    top)
        case $previous in
        --interval) compopt +o default; return ;;
        esac
        options='--interval --once --help'
        ;;
    unpin)
        case $previous in
        --reload) compopt +o default; return ;;
        esac
        options='--reload --help'
        ;;
    verify)
        options='--help'
        ;;
    versions)
        options='--help'
        ;;
    esac
    if [[ -z $words ]]; then
        [[ $current == -* ]] || return
        words=$options
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current"
        [[ -z $files ]] || compgen -f -- "$current")
    [[ -z $files ]] || compopt -o filenames
}
complete -o default -F _stele stele
