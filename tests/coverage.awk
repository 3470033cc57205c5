# Prints the line coverage of files below src/ from the output of `gcov --stdout`: for each file the
# percentage and the lines that were not reached, then the total of each folder in `folders`. A header
# is compiled into several objects; a line is covered when any of them has run it. Exits with status 1
# when a folder has less than `least` percent.
#
#     gcov --stdout … | awk -v folders='resp data' -v least=95 -f tests/coverage.awk

function percent(part, whole)
{
    return whole > 0 ? 100 * part / whole : 100
}

# The lines of a file that were not reached: "3-7, 12"
function ranges(file,    line, text, from)
{
    for (line = 1; line <= last[file] + 1; line++) {
        missed = (file, line) in reached && !reached[file, line]
        if (missed && !from)
            from = line
        # Lines without code do not end a range.
        if (from && (file, line) in reached && !missed || from && line > last[file]) {
            text = text (text != "" ? ", " : "") (before > from ? from "-" before : from)
            from = 0
        }
        if (missed)
            before = line
    }
    return text
}

{
    split($0, field, ":")
    count = field[1]
    line = field[2] + 0
}

line == 0 && field[3] == "Source" { file = field[4]; next }
file !~ /^src\// || count ~ /^ *-$/ || line == 0 { next }

{
    if (!(file in last))
        files[++file_count] = file
    if (line > last[file])
        last[file] = line
    reached[file, line] = reached[file, line] || count !~ /[#=]/
}

END {
    for (key in reached) {
        split(key, part, SUBSEP)
        lines[part[1]]++
        hit[part[1]] += reached[key]
    }
    wanted = split(folders, folder, " ")
    for (i = 1; i <= wanted; i++) {
        whole = 0
        sum = 0
        command = "sort"
        for (f = 1; f <= file_count; f++) {
            file = files[f]
            if (index(file, "src/" folder[i] "/") != 1)
                continue
            whole += lines[file]
            sum += hit[file]
            printf "%6.2f %% of %4d lines  %-26s %s\n", percent(hit[file], lines[file]),
                lines[file], file, ranges(file) | command
        }
        close(command)
        printf "%6.2f %% of %4d lines  src/%s\n", percent(sum, whole), whole, folder[i]
        failed = failed || whole == 0 || percent(sum, whole) < least
    }
    if (failed)
        printf "less than %d %%\n", least
    exit failed
}
