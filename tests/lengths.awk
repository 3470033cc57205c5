# Checks the lengths of sources: no file has more than 700 lines, and no function more than 60.
#
#     awk -f tests/lengths.awk src/*/*.c ...
#
# A function begins at the last line before its body that is not indented.
FNR == 1 { body = 0 }
FNR == 701 { complain("the file has more than 700 lines") }
!body && /^[a-zA-Z_]/ { first = FNR }
/^{/ { body = 1 }
/^}/ {
    if (body && FNR - first + 1 > 60)
        complain("the function of line " first " has more than 60 lines")
    body = 0
}
function complain(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    failed = 1
}
END { exit failed }
