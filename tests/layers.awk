# Checks the includes of src/: a lower layer must never include a higher one, and only net/ may
# include headers of the network. The table says what each folder, and each file in src/ itself,
# may include. docs/design.md shows it as a picture.
#
#     awk -f tests/layers.awk src/*/*.c ...
BEGIN {
    may["base"] = "base"
    may["data"] = "base data"
    may["cluster"] = "base data cluster"
    may["resp"] = "base resp"
    may["metrics"] = "base resp metrics"
    may["serve"] = "base data cluster resp metrics rdb serve"
    may["commands"] = "base data cluster resp metrics rdb serve commands"
    may["net"] = "base data cluster metrics serve net"
    may["client"] = "base client"
    may["rdb"] = "base data rdb"
    may["tool"] = "base data cluster rdb client tool"
    may["src/options"] = "base data serve options.h"
    may["src/stele"] = "base tool"
    may["src/files"] = "base data files.h options.h"
    may["src/main"] = "base data cluster serve commands net files.h options.h"
}
# A file's layer is its folder in src/. A file in src/ itself is a layer of its own.
FNR == 1 {
    layer = FILENAME
    if (layer ~ /^src\/[^\/]+\//) {
        sub(/^src\//, "", layer)
        sub(/\/.*/, "", layer)
    } else {
        sub(/\.[ch]$/, "", layer)
    }
}
/^# *include *"/ {
    split($0, quoted, "\"")
    split(quoted[2], part, "/")
    if (index(" " may[layer] " ", " " part[1] " ") == 0)
        complain("includes " quoted[2])
}
/^# *include *<(ev|netdb|sys\/socket|sys\/un|netinet\/.*|arpa\/inet)\.h>/ && layer != "net" && layer != "client" {
    complain("includes a header of the network")
}
function complain(what) {
    printf "%s:%d: %s %s, which its layer may not include\n", FILENAME, FNR, layer, what
    failed = 1
}
END { exit failed }
